"""What the event relay keeps, on a single Redis and on a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.generation import (
    GenerationEvent,
    GenerationResult,
    ResetReason,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
    StageChanged,
    Usage,
)
from scriptgen.domain.intent import Clarification
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import SessionKey
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.stores.protocols import RelayBatch, RelayEnd
from scriptgen.stores.redis import RedisBackend, connect
from scriptgen.stores.redis.events import RedisEventRelay
from tests.valkey import ValkeyServer, valkey_server

KEY = SessionKey("tenant:{1}", "ses/1")
ID = "request:1"


@pytest.fixture(params=["single", "cluster"])
def server(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path, cluster=request.param == "cluster") as started:
        yield started


@pytest.fixture
async def relay(server: ValkeyServer) -> AsyncIterator[RedisEventRelay]:
    client = connect(server.url)
    yield RedisEventRelay(RedisBackend(client, timeout=2), ttl_seconds=60, max_batches=4)
    await client.aclose()


def batch(
    first: int, *events: GenerationEvent, run: int = 1, begins: bool = False, ended: RelayEnd | None = None
) -> RelayBatch:
    numbered = tuple(SequencedEvent(first + place, event) for place, event in enumerate(events))
    return RelayBatch(run, "print", first, numbered, begins=begins, ended=ended)


def words(*texts: str) -> tuple[ScriptDelta, ...]:
    return tuple(ScriptDelta(0, text) for text in texts)


def texts(events: tuple[SequencedEvent, ...]) -> list[str]:
    return [event.event.text for event in events if isinstance(event.event, ScriptDelta)]


async def test_every_kind_of_event_comes_back_equal(relay: RedisEventRelay) -> None:
    events = (
        StageChanged(Stage.SCRIPT_GENERATING, attempt=1),
        ScriptDelta(2, "听我说，“好”\x00🎉"),
        ScriptReset(2, ResetReason.BACKEND_SWITCHED, "why"),
        Clarification("卖什么？", ("product_name",), ("唇釉",)),
        QualityReport(passed=True, score=0.5),
        GenerationResult(
            "r", "t", "s", GenerationStatus.COMPLETED, usage=Usage(3, 4), stage_seconds={"A": 0.1}
        ),
    )
    await relay.publish(KEY, ID, batch(1, *events, begins=True, ended=RelayEnd.RESULT))
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert tuple(event.event for event in part.events) == events
    assert [event.sequence for event in part.events] == [1, 2, 3, 4, 5, 6]
    assert (part.run, part.fingerprint, part.first, part.last, part.ended) == (
        1,
        "print",
        1,
        6,
        RelayEnd.RESULT,
    )


async def test_reading_goes_on_in_the_middle_of_a_batch(relay: RedisEventRelay) -> None:
    await relay.publish(KEY, ID, batch(5, *words("a", "b", "c"), begins=True))
    await relay.publish(KEY, ID, batch(8, *words("d")))
    part = await relay.read(KEY, ID, after=6)
    assert part is not None
    assert texts(part.events) == ["c", "d"]
    assert part.ended is None


async def test_nothing_is_there_for_other_requests_sessions_and_tenants(relay: RedisEventRelay) -> None:
    await relay.publish(KEY, ID, batch(1, *words("a"), begins=True))
    assert await relay.read(KEY, "request", after=0) is None
    assert await relay.read(SessionKey(KEY.tenant_id, "ses"), ID, after=0) is None
    assert await relay.read(SessionKey("tenant", KEY.session_id), ID, after=0) is None


async def test_a_batch_that_is_sent_again_or_grown_is_read_once(relay: RedisEventRelay) -> None:
    await relay.publish(KEY, ID, batch(1, *words("a", "b"), begins=True))
    await relay.publish(KEY, ID, batch(1, *words("a", "b"), begins=True))
    await relay.publish(KEY, ID, batch(1, *words("a", "b", "c")))
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert texts(part.events) == ["a", "b", "c"]


async def test_a_gap_is_refused(relay: RedisEventRelay) -> None:
    with pytest.raises(LookupError):
        await relay.publish(KEY, ID, batch(3, *words("c")))
    await relay.publish(KEY, ID, batch(1, *words("a"), begins=True))
    with pytest.raises(LookupError):
        await relay.publish(KEY, ID, batch(3, *words("c")))
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert part.last == 1


async def test_a_later_run_replaces_an_earlier_one_and_never_the_other_way_round(
    relay: RedisEventRelay,
) -> None:
    await relay.publish(KEY, ID, batch(1, *words("old"), run=3, begins=True))
    await relay.publish(KEY, ID, batch(2, *words("new"), run=7, begins=True))
    assert await relay.publish(KEY, ID, batch(2, *words("late"), run=3)) is None
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert (part.run, part.first, texts(part.events)) == (7, 2, ["new"])


async def test_who_publishes_learns_that_somebody_reads(relay: RedisEventRelay) -> None:
    assert await relay.publish(KEY, ID, batch(1, begins=True)) == float("inf")
    await relay.read(KEY, ID, after=0)
    since = await relay.publish(KEY, ID, batch(1))
    assert since is not None
    assert since < 5


async def test_a_sign_of_life_ends_the_silence(relay: RedisEventRelay) -> None:
    await relay.publish(KEY, ID, batch(1, begins=True))
    async with asyncio.timeout(5):
        while (part := await relay.read(KEY, ID, after=0)) is not None and part.silent_seconds < 0.2:
            await asyncio.sleep(0.02)
    await relay.publish(KEY, ID, batch(1))
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert part.silent_seconds < 0.2


async def test_what_is_kept_is_bounded_and_a_reader_sees_what_is_missing(relay: RedisEventRelay) -> None:
    await relay.publish(KEY, ID, batch(1, *words("a"), begins=True))
    for place in range(2, 10):
        await relay.publish(KEY, ID, batch(place, *words("a")))
    part = await relay.read(KEY, ID, after=0)
    assert part is not None
    assert [event.sequence for event in part.events] == [6, 7, 8, 9]


async def test_a_redis_that_is_away_is_asked_once_and_then_left_alone(
    relay: RedisEventRelay, server: ValkeyServer
) -> None:
    loop = asyncio.get_running_loop()
    server.freeze()
    with pytest.raises(StoreUnavailableError):
        await relay.read(KEY, ID, after=0)
    began = loop.time()
    with pytest.raises(StoreUnavailableError):
        await relay.publish(KEY, ID, batch(1, begins=True))
    assert loop.time() - began < 0.1
    server.thaw()
    async with asyncio.timeout(10):
        while True:
            try:
                await relay.publish(KEY, ID, batch(1, begins=True))
            except StoreUnavailableError:
                await asyncio.sleep(0.05)
                continue
            return
