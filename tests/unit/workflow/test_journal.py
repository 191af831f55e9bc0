"""One generation's view of the log: compare-and-set, links, shared records, and writes no cancel interrupts."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointRecord, CheckpointStatus
from scriptgen.domain.errors import LeaseLostError, RevisionConflictError, StoreUnavailableError
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite
from scriptgen.domain.vocabulary import Stage
from scriptgen.stores.memory import MemoryCheckpointStore, MemorySessionStore, MemoryState
from scriptgen.stores.retention import Retention
from scriptgen.workflow.journal import Journal
from scriptgen.workflow.state import WorkflowState, decode, evolved

KEY = SessionKey("tenant", "ses_1")
REQUEST = GenerationRequest(KEY, "", "写一段开场", "request-0001", "trace")
STATE = WorkflowState(request=REQUEST)
HEAD = SessionHead("tenant", "ses_1")


class Counted(Observer):
    def __init__(self) -> None:
        self.writes: list[tuple[str, str]] = []

    def checkpoint_write(self, backend: str, outcome: str) -> None:
        self.writes.append((backend, outcome))


class SlowStore(MemoryCheckpointStore):
    """Applies an append only when it is let go; `away` refuses it."""

    def __init__(self, state: MemoryState) -> None:
        super().__init__(state)
        self.entered = asyncio.Event()
        self.go = asyncio.Event()
        self.away = False

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        self.entered.set()
        await self.go.wait()
        if self.away:
            raise StoreUnavailableError("away")
        await super().append(record, expected_version, session=session)


@pytest.fixture
def state() -> MemoryState:
    return MemoryState(Retention())


async def journal(
    store: MemoryCheckpointStore, observer: Observer | None = None, request: GenerationRequest = REQUEST
) -> Journal:
    latest = await store.latest(KEY)
    return Journal(store, request, "f", latest, backend="memory", observer=observer or Observer())


async def test_records_follow_one_another_and_list_the_stages_they_share(state: MemoryState) -> None:
    store, seen = MemoryCheckpointStore(state), Counted()
    book = await journal(store, seen)
    await book.append(STATE, CheckpointStatus.ACCEPTED)
    book.note("CONTEXT_LOADING")
    book.note("INTENT_RECOGNIZING")
    await book.append(evolved(STATE, next_stage=Stage.PROFILE_FETCHING), CheckpointStatus.RUNNING)
    await book.append(evolved(STATE, next_stage=None), CheckpointStatus.COMPLETED)

    records = [record async for record in store.walk(KEY)]
    assert [record.version for record in records] == [1, 2, 3]
    assert [record.header.stages for record in records] == [
        (),
        ("CONTEXT_LOADING", "INTENT_RECOGNIZING"),
        (),
    ]
    assert [record.header.next_stage for record in records] == ["CONTEXT_LOADING", "PROFILE_FETCHING", ""]
    links = [record.header.prev_checksum for record in records]
    assert links == [GENESIS_CHECKSUM, records[0].checksum, records[1].checksum]
    assert all(record.intact() for record in records)
    assert decode(records[1].state).next_stage is Stage.PROFILE_FETCHING
    assert seen.writes == [("memory", "ok")] * 3
    assert (book.version, book.checksum) == (3, records[2].checksum)


async def test_who_was_overtaken_cannot_append_any_more(state: MemoryState) -> None:
    store, seen = MemoryCheckpointStore(state), Counted()
    stale = await journal(store, seen)
    await stale.append(STATE, CheckpointStatus.ACCEPTED)
    other = await journal(store, request=replace(REQUEST, request_id="request-0002"))
    await other.append(STATE, CheckpointStatus.RESUMED)
    for _ in range(2):
        with pytest.raises(LeaseLostError):
            await stale.append(STATE, CheckpointStatus.COMPLETED)
    assert stale.version == 1
    assert seen.writes == [("memory", "ok"), ("memory", "conflict"), ("memory", "conflict")]
    newest = await store.latest(KEY)
    assert newest is not None
    assert newest.header.request_id == "request-0002"


async def test_a_session_that_changed_meanwhile_stops_the_record_too_and_it_can_be_made_again(
    state: MemoryState,
) -> None:
    store, sessions = MemoryCheckpointStore(state), MemorySessionStore(state)
    await sessions.create(Session(HEAD))
    book = await journal(store)
    book.note("QUALITY_CHECKING")
    with pytest.raises(RevisionConflictError):
        await book.append(
            STATE, CheckpointStatus.COMPLETED, session=SessionWrite(replace(HEAD, revision=8), 7)
        )
    assert (await store.latest(KEY), book.version) == (None, 0)
    await book.append(STATE, CheckpointStatus.COMPLETED, session=SessionWrite(replace(HEAD, revision=2), 1))
    newest = await store.latest(KEY)
    assert newest is not None
    assert newest.header.stages == ("QUALITY_CHECKING",)


async def test_a_cancel_waits_for_the_write_that_is_on_its_way(state: MemoryState) -> None:
    store = SlowStore(state)
    book = await journal(store)
    append = asyncio.create_task(book.append(STATE, CheckpointStatus.ACCEPTED))
    await store.entered.wait()
    append.cancel()
    await asyncio.sleep(0)
    after = asyncio.create_task(book.append(STATE, CheckpointStatus.CANCELLED))
    await asyncio.sleep(0)
    assert not append.done()
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await append
    await after
    statuses = [record.header.status async for record in store.walk(KEY)]
    assert statuses == [CheckpointStatus.ACCEPTED, CheckpointStatus.CANCELLED]
    assert book.version == 2


async def test_a_write_that_fails_while_being_cancelled_ends_in_the_cancel(state: MemoryState) -> None:
    store, seen = SlowStore(state), Counted()
    store.away = True
    book = await journal(store, seen)
    append = asyncio.create_task(book.append(STATE, CheckpointStatus.ACCEPTED))
    await store.entered.wait()
    append.cancel()
    store.go.set()
    with pytest.raises(asyncio.CancelledError):
        await append
    assert (book.version, seen.writes) == (0, [("memory", "error")])
