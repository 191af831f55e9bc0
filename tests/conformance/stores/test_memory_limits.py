"""What only the memory backend promises: it is bounded, and refuses rather than forgets."""

from __future__ import annotations

import pytest

from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import SessionKey
from scriptgen.stores.memory import (
    MemoryCheckpointStore,
    MemoryProfileStore,
    MemorySessionStore,
    MemoryState,
)
from scriptgen.stores.retention import Retention

from .samples import head, new_session, next_write, record


def key(number: int) -> SessionKey:
    return SessionKey("t", f"s-{number}")


async def test_a_full_memory_refuses_new_sessions_and_logs_but_serves_the_old() -> None:
    state = MemoryState(Retention(max_sessions=2))
    sessions, log, profiles = (
        MemorySessionStore(state),
        MemoryCheckpointStore(state),
        MemoryProfileStore(state),
    )
    await sessions.create(new_session(key(1)))
    await log.append(record(1, key=key(2)), 0)
    with pytest.raises(StoreUnavailableError):
        await sessions.create(new_session(key(3)))
    with pytest.raises(StoreUnavailableError):
        await log.append(record(1, key=key(3)), 0)
    assert await sessions.load(key(3)) is None
    assert await log.latest(key(3)) is None
    await log.append(record(1, key=key(1)), 0, session=next_write(head(key(1)), turns=(0,)))
    await sessions.create(new_session(key(2)))
    for influencer in ("甲", "乙"):
        await profiles.put("t", influencer, StyleProfile(influencer, revision=1), 0)
    with pytest.raises(StoreUnavailableError):
        await profiles.put("t", "丙", StyleProfile("丙", revision=1), 0)


async def test_what_is_deleted_makes_room() -> None:
    state = MemoryState(Retention(max_sessions=1))
    sessions, log = MemorySessionStore(state), MemoryCheckpointStore(state)
    await sessions.create(new_session(key(1)))
    await log.append(record(1, key=key(1)), 0)
    await sessions.delete(key(1))
    with pytest.raises(StoreUnavailableError):
        await sessions.create(new_session(key(2)))  # the log is still there
    await log.delete(key(1))
    await sessions.create(new_session(key(2)))


async def test_idle_sessions_make_room_after_their_time_and_used_ones_stay() -> None:
    now = 0.0
    state = MemoryState(Retention(max_sessions=3, ttl_seconds=10), clock=lambda: now)
    sessions, log = MemorySessionStore(state), MemoryCheckpointStore(state)
    for number in (1, 2, 3):
        await sessions.create(new_session(key(number)))
        await log.append(record(1, key=key(number)), 0)
    now = 8.0
    await log.append(record(2, key=key(1)), 1)
    await sessions.save(next_write(head(key(2))))
    now = 12.0
    await sessions.create(new_session(key(4)))
    assert [number for number in (1, 2, 3, 4) if await sessions.load(key(number))] == [1, 2, 4]
    assert [number for number in (1, 2, 3, 4) if await log.latest(key(number))] == [1, 2]
