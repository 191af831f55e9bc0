"""Cancels and deadlines at any await: nothing of a left generation stays behind, and its session is free.

What may stay is one thing: a turn that was already being recorded when the caller left. The caller does not
know of it then, and the same `request_id` is answered with it.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.v1 import generate_pb2, types_pb2
from scriptgen.workflow.audience import Audience
from scriptgen.workflow.generation import CancelCause
from scriptgen.workflow.grant import Grant
from tests.leftovers import FREE_WITHIN, Held, left_behind, until_free
from tests.services.live import Live, live
from tests.unit.workflow.kit import TENANT, Kit, request, running
from tests.upstream import FakeUpstream, says

from .ledger import Instance, Ledger, Told, connected

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("SCRIPTGEN_CANCEL_ROUNDS", "6"))
CALLERS = 6
WHOLE_SECONDS = 0.6  # about how long an uncancelled generation takes here
QUERIES = ("写一段开场话术", "写一段产品介绍", "开场、下播各来一段", "今天天气真好")
SLOW, FAST = says(pace=0.003), says()


@asynccontextmanager
async def service_with(path: Path, upstream: FakeUpstream) -> AsyncIterator[tuple[Live, Instance]]:
    async with (
        live(
            SESSION_STORE="sqlite",
            CHECKPOINT_STORE="sqlite",
            SQLITE_PATH=str(path / "scriptgen.db"),
            VLLM_BASE_URL=upstream.url,
            LLM_FALLBACK_ENABLED="false",
        ) as service,
        connected(service.target) as instance,
    ):
        yield service, instance


@dataclass(slots=True)
class Leaver:
    """A caller that leaves at a random moment, in one of the ways callers leave."""

    instance: Instance
    session: str
    request_id: str
    query: str
    rng: random.Random

    async def call(self) -> Told:
        fields: dict[str, Any] = {
            "session_id": self.session,
            "query": self.query,
            "request_id": self.request_id,
        }
        seconds = self.rng.uniform(0, WHOLE_SECONDS)
        way = self.rng.choice(("cancel", "deadline", "request"))
        timeout = seconds if way == "deadline" else 30.0
        if self.rng.random() < 0.5:
            unary = self.instance.generation.Generate(generate_pb2.GenerateRequest(**fields), timeout=timeout)
            call: Any = unary
            told = asyncio.ensure_future(self._answered(unary))
        else:
            call = self.instance.generation.GenerateStream(
                generate_pb2.GenerateStreamRequest(**fields), timeout=timeout
            )
            told = asyncio.ensure_future(self._streamed(call))
        if way != "deadline":
            await asyncio.wait({told}, timeout=seconds)
        if way == "cancel":
            call.cancel()
        elif way == "request":
            await self._ask_to_cancel()
        try:
            return await told
        except asyncio.CancelledError:
            return Told.UNKNOWN
        except grpc.aio.AioRpcError as error:
            assert error.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED}, error
            return Told.UNKNOWN

    async def _ask_to_cancel(self) -> None:
        message = generate_pb2.CancelGenerationRequest(session_id=self.session, request_id=self.request_id)
        try:
            await self.instance.generation.CancelGeneration(message, timeout=10)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND, error  # not accepted yet

    async def _answered(self, call: Any) -> Told:
        return _told((await call).result)

    async def _streamed(self, call: Any) -> Told:
        told = Told.UNKNOWN
        async for event in call:
            if event.HasField("result"):
                told = _told(event.result)
        return told


def _told(result: generate_pb2.GenerationResult) -> Told:
    cancelled = result.status == types_pb2.GENERATION_STATUS_CANCELLED
    return Told.FAILED if cancelled else Told.OK


@pytest.mark.timeout(60 + 10 * ROUNDS)
async def test_a_call_left_at_any_moment_leaves_nothing_behind(tmp_path: Path) -> None:
    rng, ledger = random.Random(ROUNDS), Ledger()
    async with FakeUpstream(SLOW) as upstream, service_with(tmp_path, upstream) as (service, instance):
        for number in range(ROUNDS):
            upstream.answers = [SLOW]
            leavers = [
                Leaver(instance, await instance.session(), f"left-{number}-{place}", rng.choice(QUERIES), rng)
                for place in range(CALLERS)
            ]
            answers = await asyncio.gather(*(leaver.call() for leaver in leavers))
            for leaver, told in zip(leavers, answers, strict=True):
                ledger.note(leaver.session, leaver.request_id, leaver.query, told)
            await until_free(service, upstream)

            upstream.answers = [FAST]
            for place, leaver in enumerate(leavers):
                began = asyncio.get_running_loop().time()
                usable = await ledger.generate(
                    instance, leaver.session, f"next-{number}-{place}", "再来一段开场"
                )
                assert usable is not None, ledger.errors[-1]
                assert asyncio.get_running_loop().time() - began < FREE_WITHIN
        assert await ledger.problems(instance) == []
        for entry in [one for one in ledger.requests if one.told is not Told.OK]:
            result = await ledger.generate(instance, entry.session, entry.request_id, entry.query)
            assert result is not None, ledger.errors[-1]
            assert not result.resumed, "a generation that was left is closed, not left open"
        assert await ledger.problems(instance) == []


async def test_a_grant_that_is_not_given_back_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protection off: the check above notices a kept lock and lease."""

    async def keep(_grant: Grant, _tokens: int | None) -> None: ...

    monkeypatch.setattr(Grant, "close", keep)
    await _left_once_holds(tmp_path, {"quota leases": 1, "session locks": 1})


async def test_a_generation_that_nobody_stops_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Protection off: the check above notices a generation that runs on for nobody."""

    def run_on(_audience: Audience, _grace: float) -> None: ...

    monkeypatch.setattr(Audience, "leave", run_on)
    held = {"generations": 1, "quota leases": 1, "session locks": 1, "upstream calls": 1}
    await _left_once_holds(tmp_path, held)


async def _left_once_holds(path: Path, held: dict[str, Any]) -> None:
    async with FakeUpstream(SLOW) as upstream, service_with(path, upstream) as (service, instance):
        session = await instance.session()
        message = generate_pb2.GenerateStreamRequest(session_id=session, query=QUERIES[0])
        call = instance.generation.GenerateStream(message, timeout=30)
        async for event in call:
            if event.HasField("delta"):
                call.cancel()
                break
        for _ in range(10):
            await asyncio.sleep(0.01)
            if left_behind(service, upstream) == held:
                break
        assert left_behind(service, upstream) == held


async def steps(count: int) -> None:
    """Let everything that is ready run `count` times."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_generation_stopped_after_any_number_of_steps_ends_in_one_of_two_ways(
    tmp_path: Path, store: str
) -> None:
    """Either it is cancelled, with a record that says so and no turn, or it is done, with its turn."""
    settings: dict[str, Any] = {
        "session_store": store,
        "checkpoint_store": store,
        "sqlite_path": tmp_path / "scriptgen.db",
        "template_pace_seconds": 0,
    }
    async with running(**settings) as kit:
        await kit.generate(await kit.session(), QUERIES[0])  # what is loaded once is loaded
        ends: list[GenerationStatus] = []
        count = 0
        while not ends or ends[-1] is GenerationStatus.CANCELLED:
            ends.append(await _stopped_after(kit, count))
            count += 1 + count // 50  # reads and writes of a file take many steps
        assert GenerationStatus.CANCELLED in ends
        assert ends[-1] is GenerationStatus.COMPLETED


async def _stopped_after(kit: Kit, count: int) -> GenerationStatus:
    key, held = await kit.session(), Held()
    wanted = request(key, QUERIES[0], request_id=f"stopped-{count:04d}")
    orchestrator = kit.app.orchestrator
    call = asyncio.create_task(
        orchestrator.handle_request(wanted, TENANT, held.grant(), deadline=None), name="call"
    )
    await steps(1)  # the generation exists from here on, and has not taken its own first step
    for generation in [*orchestrator._running.values()]:
        await steps(count)
        generation.cancel(CancelCause.REQUESTED)
    result = await call
    await kit.settled()
    assert held.released == 1
    assert len(held.settled) == 1
    done = result.status is not GenerationStatus.CANCELLED
    session = await kit.app.sessions.get(key, TENANT)
    assert len(session.turns) == done
    records = await kit.records(key)
    if records:  # else it was stopped before it was accepted
        assert [record.header.status.terminal for record in records] == [False] * (len(records) - 1) + [True]
        assert records[-1].header.status.value == result.status.value
        assert result.checkpoint_version == records[-1].version
        assert session.head.last_status is result.status
    return result.status
