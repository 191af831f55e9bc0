"""Whether a call costs more when more is stored: little and much of it, measured in turn, so that whatever
else the machine does meets both alike.

What is stored is written through the stores themselves, as copies of what the service wrote; only the calls
that are measured go through the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from msgspec.structs import replace
from tests.valkey import valkey_server

from benchmarks import load, processes
from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointRecord, sealed
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.session import Session, SessionKey
from scriptgen.settings import load_settings
from scriptgen.state_stores import Stores, open_stores
from scriptgen.stores.protocols import SessionFilter

CALLERS = 8
#: Calls in one session while it is measured, by which it grows.
CALLS = 4
#: Records that a turn leaves in the log, and how many a session keeps.
RECORDS, KEPT = 3, 200
#: Writers at once while a store is filled.
WRITERS = 32
_PATIENCE = 5
_EVERY = SessionFilter()


@dataclass(slots=True)
class Place:
    """A running service, the settings of the store behind it, and how many sessions were put there."""

    service: processes.Service
    store: dict[str, str]
    stored: int = 0


@dataclass(slots=True)
class Side:
    """What is measured with so much stored; `sessions` have not been called yet."""

    name: str
    place: Place
    sessions: list[str]
    cpu_seconds: list[float] = field(default_factory=list)
    """Of the server process, per call, in each round."""
    measured: load.Measured = field(default_factory=load.Measured)

    @property
    def cpu_ms(self) -> float:
        """The middle one of the rounds: a neighbour's work makes some of them dear."""
        return statistics.median(self.cpu_seconds) * 1000

    async def round(self) -> None:
        sessions = [self.sessions.pop() for _ in range(CALLERS)]
        before = self.place.service.cpu_seconds()
        async with grpc.aio.insecure_channel(self.place.service.target) as channel:
            await load.generate_in(channel, sessions, CALLS, self.measured)
        used = self.place.service.cpu_seconds() - before
        self.cpu_seconds.append(used / (CALLERS * CALLS))


def compare(backend: str, *, tiny: bool) -> list[tuple[Side, Side]]:
    """10 against 500 turns, and 100 against 100,000 sessions, on `sqlite` or `redis`."""
    rounds, turns, stored = (1, (1, 3), (10, 50)) if tiny else (12, (10, 500), (100, 100_000))
    fresh = rounds * CALLERS
    with ExitStack() as stack:
        model = {"VLLM_BASE_URL": stack.enter_context(processes.upstream()), "VLLM_MODEL": "bench"}
        one, other = (stack.enter_context(_place(backend, model)) for _ in range(2))
        few = Side(f"{stored[0]:,} sessions", one, asyncio.run(_fill(one, stored[0], 1)))
        many = Side(f"{stored[1]:,} sessions", other, asyncio.run(_fill(other, stored[1], 1)))
        short, long = (Side(f"{n} turns", one, asyncio.run(_fill(one, fresh, n))) for n in turns)
        pairs = [(short, long), (few, many)]
        for little, much in pairs:
            for number in range(rounds):
                for side in (little, much) if number % 2 else (much, little):
                    asyncio.run(side.round())
    return pairs


@contextmanager
def _place(backend: str, model: dict[str, str]) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as home, ExitStack() as stack:
        store = {"SESSION_STORE": backend, "CHECKPOINT_STORE": backend, "SESSION_MAX_TURNS": "1000"}
        if backend == "sqlite":
            store |= {"SQLITE_PATH": f"{home}/state.db", "SQLITE_SYNCHRONOUS": "NORMAL"}
        else:
            server = stack.enter_context(valkey_server(Path(home)))
            store |= {"REDIS_URL": server.url, "CORE_RATE_LIMIT_BACKEND": "redis"}
        yield Place(stack.enter_context(processes.service(**store, **model)), store)


async def _fill(place: Place, count: int, turns: int) -> list[str]:
    """Store `count` sessions of `turns` turns; their ids."""
    stores = await open_stores(load_settings(place.store))
    try:
        session, record = await _example(place, stores)
        names = [f"ses_growth_{number}" for number in range(place.stored, place.stored + count)]
        place.stored += count
        left = enumerate(names)

        async def writer() -> None:
            for number, name in left:
                # Full logs drop old records now and then: each at another time.
                records = min(RECORDS * turns, KEPT + number % (KEPT // 10))
                await _copy(stores, session, record, name, turns=turns, records=records)

        await asyncio.gather(*(writer() for _ in range(WRITERS)))
        return names
    finally:
        await stores.close()


async def _example(place: Place, stores: Stores) -> tuple[Session, CheckpointRecord]:
    """A session after its first turn, and the record of that turn's end."""
    async with grpc.aio.insecure_channel(place.service.target) as channel:
        sessions = await load.open_sessions(channel, 1)
        await load.generate_in(channel, sessions, 1, load.Measured())
    page = await stores.sessions.list("tenant_dev", where=_EVERY, page_size=1)
    key = page.heads[0].key
    session, record = await stores.sessions.load(key), await stores.checkpoints.latest(key)
    assert session is not None
    assert record is not None
    return session, record


async def _copy(
    stores: Stores, example: Session, end: CheckpointRecord, session_id: str, *, turns: int, records: int
) -> None:
    """`example` under another name, its turn and script as often as `turns` says, and a log to match."""
    key = SessionKey(example.head.tenant_id, session_id)
    checksum = GENESIS_CHECKSUM
    for version in range(1, records + 1):
        header = replace(
            end.header,
            session_id=session_id,
            version=version,
            request_id=f"growth-{version}",
            prev_checksum=checksum,
        )
        record = sealed(key.tenant_id, header, end.state)
        await _patiently(stores.checkpoints.append, record, version - 1)
        checksum = record.checksum
    (turn,), (script,) = example.turns, example.scripts
    ids = [f"{session_id}_{number}" for number in range(turns)]
    await _patiently(
        stores.sessions.create,
        Session(
            replace(
                example.head,
                session_id=session_id,
                applied_version=records,
                turn_count=turns,
                script_count=turns,
            ),
            tuple(replace(turn, turn_index=n, script_ids=(name,)) for n, name in enumerate(ids)),
            tuple(replace(script, script_id=name, turn_index=n, version=n + 1) for n, name in enumerate(ids)),
        ),
    )


async def _patiently(write: Callable[..., Awaitable[None]], *what: object) -> None:
    """A write that may be repeated: of many hundred thousand a busy machine makes one or two late."""
    for _ in range(_PATIENCE):
        with contextlib.suppress(StoreUnavailableError):
            return await write(*what)
    return await write(*what)
