"""A record and the session it belongs to, committed together or not at all."""

from __future__ import annotations

import pytest

from scriptgen.domain.errors import NotFoundError, RevisionConflictError, VersionConflictError

from .backends import Backend
from .samples import KEY, chain, head, new_session, next_write, record


async def test_both_are_there_afterwards(backend: Backend) -> None:
    assert backend.checkpoints.commits_sessions
    await backend.sessions.create(new_session())
    write = next_write(head(), turns=(0,), applied_version=1)
    await backend.checkpoints.append(record(1), 0, session=write)
    assert await backend.other.checkpoints.latest(KEY) == record(1)
    assert await backend.other.sessions.load(KEY) == new_session(turns=1, revision=2, applied_version=1)


async def test_a_version_conflict_leaves_the_session_alone(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    await backend.checkpoints.append(record(1), 0)
    with pytest.raises(VersionConflictError):
        await backend.checkpoints.append(
            record(1, request_id="other"), 0, session=next_write(head(), turns=(0,))
        )
    assert await backend.sessions.load(KEY) == new_session()
    assert await backend.checkpoints.latest(KEY) == record(1)


async def test_a_revision_conflict_leaves_the_log_alone(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    await backend.sessions.save(next_write(head(), summary="先"))
    with pytest.raises(RevisionConflictError):
        await backend.checkpoints.append(record(1), 0, session=next_write(head(), turns=(0,)))
    assert await backend.checkpoints.latest(KEY) is None
    assert await backend.sessions.load(KEY) == new_session(revision=2, summary="先")


async def test_a_deleted_session_leaves_the_log_alone(backend: Backend) -> None:
    with pytest.raises(NotFoundError):
        await backend.checkpoints.append(record(1), 0, session=next_write(head(), turns=(0,)))
    assert await backend.checkpoints.latest(KEY) is None
    assert await backend.sessions.load(KEY) is None


async def test_a_commit_whose_reply_was_lost_can_be_repeated(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    write = next_write(head(), turns=(0,))
    await backend.checkpoints.append(record(1), 0, session=write)
    await backend.other.checkpoints.append(record(1), 0, session=write)
    assert [each async for each in backend.checkpoints.walk(KEY)] == [record(1)]
    assert await backend.sessions.load(KEY) == new_session(turns=1, revision=2)


async def test_a_conversation_of_commits_stays_in_step(backend: Backend) -> None:
    await backend.sessions.create(new_session())
    current = head()
    for index, each in enumerate(chain(12)):
        write = next_write(current, turns=(index,), applied_version=each.version)
        await backend.checkpoints.append(each, index, session=write)
        current = write.head
    session = await backend.sessions.load(KEY)
    assert session == new_session(turns=12, revision=13, applied_version=12)
