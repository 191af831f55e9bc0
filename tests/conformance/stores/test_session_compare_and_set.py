"""Saving a session: one of two writers wins, the other is told, a repeated write is no second one."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scriptgen.domain.errors import NotFoundError, RevisionConflictError
from scriptgen.domain.session import SessionWrite

from .backends import Backend
from .samples import KEY, head, new_session, next_write


async def test_a_write_adds_its_turns_to_those_before(backend: Backend) -> None:
    await backend.sessions.create(new_session(turns=2))
    await backend.sessions.save(next_write(head(), turns=(2,), summary="摘要"))
    session = await backend.other.sessions.load(KEY)
    assert session is not None
    assert session == new_session(turns=3, revision=2, summary="摘要")


async def test_a_stale_writer_is_refused_and_changes_nothing(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    await backend.sessions.save(next_write(head(), turns=(0,), summary="先"))
    with pytest.raises(RevisionConflictError):
        await backend.other.sessions.save(next_write(head(), turns=(0, 1), summary="后"))
    assert await backend.sessions.load(KEY) == new_session(turns=1, revision=2, summary="先")


async def test_a_write_from_the_future_is_refused(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    with pytest.raises(RevisionConflictError):
        await backend.sessions.save(next_write(head(revision=7)))
    assert await backend.sessions.load(KEY) == new_session()


async def test_a_write_to_a_deleted_session_does_not_bring_it_back(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    await backend.sessions.delete(KEY)
    with pytest.raises(NotFoundError):
        await backend.sessions.save(next_write(head(), turns=(0,)))
    assert await backend.sessions.load(KEY) is None


async def test_a_write_whose_reply_was_lost_can_be_repeated(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    write = next_write(head(), turns=(0,), summary="摘要")
    await backend.sessions.save(write)
    await backend.other.sessions.save(write)
    assert await backend.sessions.load(KEY) == new_session(turns=1, revision=2, summary="摘要")


async def test_a_repeated_write_after_somebody_elses_is_refused(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    write = next_write(head(), summary="先")
    await backend.sessions.save(write)
    await backend.sessions.save(next_write(write.head, summary="后"))
    with pytest.raises(RevisionConflictError):
        await backend.sessions.save(write)


async def test_a_write_must_count_the_revision_up_by_one(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    with pytest.raises(ValueError, match="revision"):
        await backend.sessions.save(SessionWrite(head(revision=3), 1))


async def test_of_two_writers_of_one_revision_exactly_one_wins_every_time(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    current = head()
    for round_number in range(20):
        writes = [next_write(current, summary=f"{round_number}-{side}") for side in ("a", "b")]
        outcomes = await asyncio.gather(
            backend.sessions.save(writes[0]),
            backend.other.sessions.save(writes[1]),
            return_exceptions=True,
        )
        assert sorted(isinstance(outcome, RevisionConflictError) for outcome in outcomes) == [False, True]
        winner = writes[0] if outcomes[0] is None else writes[1]
        stored = await backend.sessions.load(KEY)
        assert stored is not None
        assert stored.head == winner.head
        current = stored.head


async def test_increments_of_many_writers_are_never_lost(backend: Backend) -> None:
    await backend.sessions.create(new_session())

    async def add(writer: int) -> None:
        store = backend.sessions if writer % 2 else backend.other.sessions
        for number in range(5):
            while True:
                session = await store.load(KEY, turns=0)
                assert session is not None
                after = replace(
                    session.head,
                    revision=session.head.revision + 1,
                    turn_count=session.head.turn_count + 1,
                    summary=f"{writer}-{number}",  # equal heads would count as one write, repeated
                )
                try:
                    await store.save(SessionWrite(after, session.head.revision))
                    break
                except RevisionConflictError:
                    continue

    await asyncio.gather(*(add(writer) for writer in range(6)))
    session = await backend.sessions.load(KEY)
    assert session is not None
    assert session.head.turn_count == 30
    assert session.head.revision == 31
