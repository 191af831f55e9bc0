"""Two workers on the same sessions with no lock between them: compare-and-set alone must lose nothing.

With compare-and-set off the same load must lose turns, or the test proves nothing.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, cast

import grpc
import msgspec
import pytest
from msgspec.structs import replace

import scriptgen.app
from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointRecord, sealed
from scriptgen.domain.errors import RevisionConflictError, VersionConflictError
from scriptgen.domain.session import SessionKey, SessionWrite
from scriptgen.settings import Settings
from scriptgen.state_stores import Stores, open_stores
from scriptgen.stores.protocols import CheckpointStore, SessionStore
from tests.services.live import live
from tests.upstream import SCRIPT, Behaviour, Call, FakeUpstream, says
from tests.valkey import valkey_server

from .ledger import Instance, Ledger, Told, connected

pytestmark = pytest.mark.faults

SESSIONS = 3
REQUESTS = 5
TRIES = 4
QUERIES = ("写一段开场话术", "再来一段", "今天天气真好", "写一段产品介绍")
STORES = (("sqlite", "sqlite"), ("redis", "redis"), ("redis", "sqlite"))


@pytest.fixture(params=STORES, ids="-".join)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    sessions, checkpoints = request.param
    settings = {
        "SESSION_STORE": sessions,
        "CHECKPOINT_STORE": checkpoints,
        "SQLITE_PATH": str(tmp_path / "scriptgen.db"),
        "DISTRIBUTED_LOCK_ENABLED": "false",
        "CORE_RATE_LIMIT_ENABLED": "false",
        "LLM_FALLBACK_ENABLED": "false",
    }
    with ExitStack() as stack:
        if "redis" in request.param:
            settings["REDIS_URL"] = stack.enter_context(valkey_server(tmp_path)).url
        yield settings


def hesitates(rng: random.Random) -> Behaviour:
    """A script after a short random while, so that generations overlap differently every time."""

    async def behave(call: Call) -> None:
        await says(SCRIPT, before=rng.uniform(0, 0.03))(call)

    return behave


async def load(settings: dict[str, str], seed: int) -> tuple[Ledger, list[str]]:
    """Two clients on every session, one at each worker. Every other request is retried when it fails, and
    every fifth is sent to both workers at once.
    """
    ledger, rng = Ledger(), random.Random(seed)

    async def client(instance: Instance, number: int, session: str) -> None:
        for count in range(REQUESTS):
            shared = count == REQUESTS - 1
            name = f"shared-{count:04d}" if shared else f"request-{number}-{count:04d}"
            query = f"{QUERIES[count % len(QUERIES)]}，谢谢{99 if shared else 10 * number + count}号"
            for _ in range(TRIES if count % 2 == 0 else 1):
                if await ledger.generate(instance, session, name, query):
                    break
                await asyncio.sleep(rng.uniform(0, 0.05))

    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream(hesitates(rng)))
        settings = {**settings, "VLLM_BASE_URL": upstream.url}
        workers = [await stack.enter_async_context(live(**settings)) for _ in range(2)]
        instances = [await stack.enter_async_context(connected(worker.target)) for worker in workers]
        sessions = [await instances[0].session() for _ in range(SESSIONS)]
        async with asyncio.TaskGroup() as clients:
            for session in sessions:
                for number, instance in enumerate(instances):
                    clients.create_task(client(instance, number, session))
        return ledger, await ledger.problems(instances[0])


async def test_two_workers_without_a_lock_lose_nothing(stores: dict[str, str]) -> None:
    ledger, problems = await load(stores, seed=3)
    assert problems == []
    assert set(ledger.codes) <= {grpc.StatusCode.OK, grpc.StatusCode.ABORTED, grpc.StatusCode.UNAVAILABLE}, (
        ledger.errors
    )
    assert ledger.codes[grpc.StatusCode.ABORTED], "the workers never met: the test shows nothing"
    assert ledger.count(Told.OK) >= SESSIONS, "nobody got through"


class _Delegating:
    """Everything not written here is the inner store's."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class BlindSessions(_Delegating):
    """Saves whatever the stored revision is."""

    async def save(self, write: SessionWrite) -> None:
        while True:
            try:
                await self._inner.save(await _on_stored_revision(self._inner, write))
            except RevisionConflictError:
                continue
            return


class BlindCheckpoints(_Delegating):
    """Appends behind whatever is there."""

    def __init__(self, inner: Any, sessions: SessionStore) -> None:
        super().__init__(inner)
        self._sessions = sessions

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        del expected_version
        while True:
            latest = await self._inner.latest(record.key)
            version = latest.version if latest else 0
            link = latest.checksum if latest else GENESIS_CHECKSUM
            header = replace(record.header, version=version + 1, prev_checksum=link)
            moved = sealed(record.tenant_id, header, record.state)
            write = await _on_stored_revision(self._sessions, session) if session else None
            try:
                await self._inner.append(moved, version, session=write)
            except (VersionConflictError, RevisionConflictError):
                continue
            return


async def _on_stored_revision(sessions: SessionStore, write: SessionWrite) -> SessionWrite:
    key: SessionKey = write.head.key
    stored = await sessions.load(key, turns=0)
    assert stored is not None
    revision = stored.head.revision
    return replace(write, head=replace(write.head, revision=revision + 1), expected_revision=revision)


class Blindfold(msgspec.Struct, frozen=True):
    """Opens stores whose writes no longer compare."""

    sessions: bool = True
    checkpoints: bool = True

    async def __call__(self, settings: Settings) -> Stores:
        opened = await open_stores(settings)
        sessions, checkpoints = opened.sessions, opened.checkpoints
        if self.checkpoints:
            checkpoints = cast("CheckpointStore", BlindCheckpoints(checkpoints, opened.sessions))
        if self.sessions:
            sessions = cast("SessionStore", BlindSessions(sessions))
        return replace(opened, sessions=sessions, checkpoints=checkpoints)


async def test_without_compare_and_set_the_same_load_loses_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scriptgen.app, "open_stores", Blindfold())
    settings = {
        "SESSION_STORE": "sqlite",
        "CHECKPOINT_STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "scriptgen.db"),
        "DISTRIBUTED_LOCK_ENABLED": "false",
        "CORE_RATE_LIMIT_ENABLED": "false",
        "LLM_FALLBACK_ENABLED": "false",
    }
    _, problems = await load(settings, seed=3)
    assert any("acknowledged and is there 0 times" in problem for problem in problems), problems


async def test_the_session_lock_keeps_two_workers_from_wasting_work(tmp_path: Path) -> None:
    """The same load with the lock on: nobody is refused, because nobody works in vain."""
    with valkey_server(tmp_path) as server:
        settings = {
            "SESSION_STORE": "redis",
            "CHECKPOINT_STORE": "redis",
            "REDIS_URL": server.url,
            "CORE_RATE_LIMIT_ENABLED": "false",
            "LLM_FALLBACK_ENABLED": "false",
        }
        ledger, problems = await load(settings, seed=3)
    assert problems == []
    assert set(ledger.codes) == {grpc.StatusCode.OK}, ledger.errors
