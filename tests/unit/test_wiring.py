"""What settings become when the application is built."""

from __future__ import annotations

import asyncio
import gc

import pytest

from scriptgen.app import App
from scriptgen.domain.component import ComponentState
from scriptgen.domain.generation import Usage
from scriptgen.domain.observer import Observer
from scriptgen.llm.router import Router
from scriptgen.settings import SettingsError, load_settings
from tests.unit.workflow.kit import request, running, settings
from tests.upstream import says, upstreams


async def test_the_embedded_default_starts_without_redis_and_without_degradation() -> None:
    async with running() as kit:
        components = await kit.app.components()
        assert {part.name for part in components} == {
            "session_store",
            "checkpoint_store",
            "session_lock",
            "rate_limiter",
            "llm.primary",
        }
        assert all(part.state is ComponentState.OK for part in components)
        assert kit.app.stores.redis is None


async def test_asking_for_the_components_may_be_given_up_before_it_has_begun() -> None:
    async with running() as kit:
        for turns in range(4):
            asked = asyncio.create_task(kit.app.components())
            for _ in range(turns):
                await asyncio.sleep(0)
            asked.cancel()
            await asyncio.wait({asked})
        gc.collect()  # a coroutine that nobody awaited would complain now


async def test_switched_off_limits_grant_everything() -> None:
    async with running(core_rate_limit_enabled="false", core_rate_qps_per_tenant="1") as kit:
        (limiter,) = [part for part in await kit.app.components() if part.name == "rate_limiter"]
        assert limiter.backend == "off"
        for _ in range(50):
            lease = await kit.app.limiter.reserve("tenant", kit.app.tenant_limits, tokens=10**9)
            await lease.settle(0)


async def test_without_fallback_only_the_primary_writes() -> None:
    async with running(
        vllm_base_url="http://127.0.0.1:9/v1",
        ollama_base_url="http://127.0.0.1:9/v1",
        llm_fallback_enabled="false",
    ) as kit:
        names = [part.name for part in await kit.app.router.status()]
        assert names == ["llm.primary"]


async def test_primary_backup_and_template_stand_in_this_order() -> None:
    async with running(vllm_base_url="http://127.0.0.1:9/v1", ollama_base_url="http://127.0.0.1:9/v1") as kit:
        status = await kit.app.router.status()
        assert [(part.name, part.backend) for part in status] == [
            ("llm.primary", "vllm"),
            ("llm.backup", "ollama"),
            ("llm.last_resort", "template"),
        ]
        assert isinstance(kit.app.router, Router)


async def test_a_broken_lexicon_file_stops_the_start_with_its_name(tmp_path: object) -> None:
    path = f"{tmp_path}/lexicon.json"
    with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123, ASYNC230
        file.write("{}")
    with pytest.raises(SettingsError, match=r"COMPLIANCE_LEXICON_FILE.*lexicon\.json"):
        await App.build(settings(compliance_lexicon_file=path), Observer())


def test_a_session_lifetime_over_two_different_stores_is_refused() -> None:
    with pytest.raises(SettingsError, match="SESSION_TTL_SECONDS"):
        load_settings({"SESSION_TTL_SECONDS": "60", "SESSION_STORE": "sqlite", "CHECKPOINT_STORE": "memory"})


async def test_the_reservation_follows_what_requests_really_use() -> None:
    async with running(vllm_base_url="http://127.0.0.1:9/v1", vllm_model="qwen") as kit:
        key = await kit.session()
        asked = request(key, "写一段开场话术")
        before = kit.app.estimate(asked)
        for _ in range(30):
            kit.app.estimator.learn(asked.query, Usage(3000, 900), model="qwen")
        assert kit.app.estimate(asked) > before


async def test_a_finished_generation_teaches_the_estimate() -> None:
    text = "姐妹们晚上好，这支唇釉上嘴显白，喝水也不沾杯，喜欢的点下方链接看看。"
    async with (
        upstreams(says(text)) as (upstream,),
        running(vllm_base_url=upstream.url, vllm_model="qwen") as kit,
    ):
        key = await kit.session()
        before = kit.app.estimate(request(key, "写一段开场话术"))
        result = await kit.generate(key, "写一段开场话术")
        assert result.backend == "vllm"
        assert kit.app.estimate(request(key, "写一段开场话术")) != before
