"""Two instances, eight callers on four sessions, and a Redis that is killed and frozen under them.

OUTAGE_TEST=full runs the 24 seconds with outages of 4 s instead of a short form.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointRecord, sealed
from scriptgen.domain.errors import RevisionConflictError, VersionConflictError
from scriptgen.domain.session import SessionWrite
from scriptgen.stores.redis import RedisBackend, checkpoints
from scriptgen.stores.redis.commit import append_record
from scriptgen.stores.redis.reading import read
from scriptgen.v1 import status_pb2
from tests.services.live import live
from tests.upstream import SCRIPT, FakeUpstream, says
from tests.valkey import valkey_server

from .forked_servers import Forge, forge
from .ledger import Instance, Ledger, Told, connected
from .two_instances import settings, two_instances

pytestmark = pytest.mark.faults

FULL = os.environ.get("OUTAGE_TEST") == "full"
TOTAL, OUTAGE = (24.0, 4.0) if FULL else (9.0, 1.5)
CALLERS, SESSIONS = 8, 4
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
#: How long a caller may be kept waiting, whatever happens, and a component may take to be well again.
SLOWEST, RECOVERY = 9.0, 5.0


@dataclass(slots=True)
class History:
    """What eight callers saw."""

    ledger: Ledger = field(default_factory=Ledger)
    seconds: list[float] = field(default_factory=list)

    async def call(self, instances: list[Instance], sessions: list[str], *, until: float) -> None:
        """All callers at once, each on its session, in turns at both instances, until the loop's time."""
        chance = random.Random(7)
        await asyncio.gather(
            *(
                self._caller(number, instances, sessions[number % SESSIONS], chance, until)
                for number in range(CALLERS)
            )
        )

    async def _caller(
        self, number: int, instances: list[Instance], session: str, chance: random.Random, until: float
    ) -> None:
        loop = asyncio.get_running_loop()
        turn = 0
        while loop.time() < until:
            turn += 1
            request_id = f"caller-{number}-{turn}"
            # What is not known to be done is asked for again under the same id, at whichever instance.
            for attempt in range(3):
                instance = instances[(number // SESSIONS + attempt) % len(instances)]
                began = loop.time()
                result = await self.ledger.generate(
                    instance, session, request_id, f"写一段产品介绍，编号{number}之{turn}"
                )
                self.seconds.append(loop.time() - began)
                if result is not None:
                    break
                await asyncio.sleep(chance.uniform(0.1, 0.3))
            await asyncio.sleep(chance.uniform(0.1, 0.2))


@pytest.fixture(scope="module")
def servers() -> Iterator[Forge]:
    with forge() as started:
        yield started


@pytest.mark.parametrize("state", ["sqlite", "redis"])
async def test_an_outage_of_redis_loses_no_acknowledged_turn_and_passes_by_itself(
    servers: Forge, tmp_path: Path, state: str
) -> None:
    loop = asyncio.get_running_loop()
    history = History()
    # State in Redis must outlive its server, so there it writes its log.
    with valkey_server(tmp_path, tcp=True, appendonly=state == "redis") as valkey:
        async with FakeUpstream(says(SCRIPT)) as upstream, AsyncExitStack() as stack:
            sqlite = tmp_path / "state.db" if state == "sqlite" else None
            environment = settings(valkey, upstream, sqlite=sqlite)
            pair = await stack.enter_async_context(two_instances(servers, **environment))
            instances = [await stack.enter_async_context(connected(one.server.grpc)) for one in pair]
            sessions = [await instances[0].session() for _ in range(SESSIONS)]
            calling = asyncio.create_task(history.call(instances, sessions, until=loop.time() + TOTAL))

            await asyncio.sleep(TOTAL / 8)
            valkey.kill()
            await asyncio.sleep(OUTAGE)
            await asyncio.to_thread(valkey.restart)
            recovered = [await until_ok(pair)]

            await asyncio.sleep(TOTAL / 8)
            valkey.freeze()
            await asyncio.sleep(OUTAGE)
            valkey.thaw()
            recovered.append(await until_ok(pair))

            await calling
            problems = await history.ledger.problems(instances[1])
    report = {
        "state": state,
        "ok": history.ledger.count(Told.OK),
        "unknown": history.ledger.count(Told.UNKNOWN),
        "failed": history.ledger.count(Told.FAILED),
        "codes": {code.name: count for code, count in history.ledger.codes.items()},
        "slowest": round(max(history.seconds), 2),
        "recovered": [round(seconds, 2) for seconds in recovered],
    }
    assert problems == [], report
    assert set(history.ledger.codes) <= ALLOWED, (report, history.ledger.errors)
    assert history.ledger.count(Told.OK) > CALLERS, report
    assert max(history.seconds) < SLOWEST, report
    assert max(recovered) < RECOVERY, report
    if FULL:
        (tmp_path.parent / f"outage-{state}.txt").write_text(f"{report}\n{history.ledger.errors}")


@pytest.mark.parametrize("protected", [False, True])
async def test_without_compare_and_set_the_checker_finds_what_two_instances_lose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, protected: bool
) -> None:
    """Each instance locks for itself here, as while Redis is away: only compare-and-set is left."""
    if not protected:
        monkeypatch.setattr(checkpoints, "append_record", append_blindly)
    loop = asyncio.get_running_loop()
    history = History()
    with valkey_server(tmp_path) as valkey:
        async with FakeUpstream(says(SCRIPT, pace=0.001)) as upstream, AsyncExitStack() as stack:
            environment = settings(valkey, upstream, DISTRIBUTED_LOCK_ENABLED="false")
            pair = [await stack.enter_async_context(live(**environment)) for _ in range(2)]
            instances = [await stack.enter_async_context(connected(one.target)) for one in pair]
            sessions = [await instances[0].session() for _ in range(SESSIONS)]
            await history.call(instances, sessions, until=loop.time() + 3)
            problems = await history.ledger.problems(instances[0])
    assert history.ledger.count(Told.OK) > CALLERS
    assert set(history.ledger.codes) <= ALLOWED, history.ledger.errors
    assert bool(problems) is not protected, problems


async def append_blindly(
    backend: RedisBackend, record: CheckpointRecord, expected_version: int, session: SessionWrite | None
) -> None:
    """The last writer wins, as it would without compare-and-set."""
    del expected_version
    while True:
        stored = await read(backend, record.key, turns=0, latest=True)
        version, checksum = (
            (stored.latest.version, stored.latest.checksum) if stored.latest else (0, "0" * 64)
        )
        header = replace(record.header, version=version + 1, prev_checksum=checksum)
        if session is not None and stored.session is not None:
            revision = stored.session.head.revision
            session = replace(
                session, head=replace(session.head, revision=revision + 1), expected_revision=revision
            )
        try:
            await append_record(backend, sealed(record.tenant_id, header, record.state), version, session)
        except (VersionConflictError, RevisionConflictError):
            continue
        return


async def until_ok(pair: Any) -> float:
    """Seconds until coordination and stores of both instances are well again."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    wanted = ("session_lock", "rate_limiter", "session_store", "checkpoint_store")
    while loop.time() - began < 2 * RECOVERY:
        found = [await one.components() for one in pair]
        if all(parts[name].state == status_pb2.COMPONENT_STATE_OK for parts in found for name in wanted):
            break
        await asyncio.sleep(0.1)
    return loop.time() - began
