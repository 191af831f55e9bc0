"""Opening a session: the document, the newest record and the request's newest one, read together."""

from __future__ import annotations

from scriptgen.domain.checkpoint import CheckpointStatus
from scriptgen.stores.memory import MemoryCheckpointStore, MemorySessionStore, MemoryState
from scriptgen.stores.opener import ComposedOpener, opener_for
from scriptgen.stores.protocols import Opened, OpenedSession

from .backends import Backend
from .samples import KEY, chain, new_session, record


async def test_an_absent_session_opens_as_nothing(backend: Backend) -> None:
    opener = opener_for(backend.sessions, backend.checkpoints)
    assert await opener.open_session(KEY, "request-1", turns=5) == OpenedSession(None, None, None)
    assert await backend.checkpoints.open(KEY, "request-1") == Opened(None, None)


async def test_a_backend_that_holds_both_reads_them_itself(backend: Backend) -> None:
    assert not isinstance(opener_for(backend.sessions, backend.checkpoints), ComposedOpener)


async def test_everything_is_read_together(backend: Backend) -> None:
    session = new_session(turns=4)
    await backend.sessions.create(session)
    records = chain(3)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    composed = ComposedOpener(backend.sessions, backend.checkpoints)
    for opener in (opener_for(backend.sessions, backend.checkpoints), composed):
        opened = await opener.open_session(KEY, "request-2", turns=2)
        assert opened.session == type(session)(session.head, session.turns[-2:], session.scripts[-2:])
        assert opened.latest == records[2]
        assert opened.found == records[1]
        assert (await opener.open_session(KEY, "unknown", turns=0)).found is None
        assert (await opener.open_session(KEY, None, turns=0)).found is None


async def test_the_newest_record_may_be_the_requests_own(backend: Backend) -> None:
    accepted = record(1, request_id="mine", status=CheckpointStatus.ACCEPTED)
    await backend.checkpoints.append(accepted, 0)
    assert await backend.checkpoints.open(KEY, "mine") == Opened(accepted, accepted)
    assert await backend.checkpoints.open(KEY, None) == Opened(accepted, None)


async def test_a_session_and_a_log_in_two_backends_are_read_one_after_the_other(backend: Backend) -> None:
    elsewhere = MemorySessionStore(MemoryState())
    await elsewhere.create(new_session(turns=1))
    log = MemoryCheckpointStore(MemoryState(), commits_sessions=False)
    await log.append(record(1), 0)
    for sessions, checkpoints in ((elsewhere, backend.checkpoints), (backend.sessions, log)):
        opened = await ComposedOpener(sessions, checkpoints).open_session(KEY, "request-1", turns=5)
        assert (opened.session is None) == (sessions is backend.sessions)
        assert (opened.found is None) == (checkpoints is backend.checkpoints)
    assert isinstance(opener_for(backend.sessions, log), ComposedOpener)
