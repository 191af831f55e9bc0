"""Opens the state stores that the settings ask for, and the Redis connection they share with coordination."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from scriptgen.settings import Settings
from scriptgen.stores.memory import (
    MemoryCheckpointStore,
    MemoryProfileStore,
    MemorySessionStore,
    MemoryState,
)
from scriptgen.stores.protocols import CheckpointStore, EventRelay, ProfileStore, SessionStore
from scriptgen.stores.retention import Retention

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    RedisClient = Redis | RedisCluster

#: Longest wait for the event relay: whoever reconnects has waited for the log already.
_RELAY_SECONDS: Final = 0.25


class Stores(msgspec.Struct, frozen=True):
    """`redis` is None when nothing was configured to use it."""

    sessions: SessionStore
    checkpoints: CheckpointStore
    profiles: ProfileStore
    redis: RedisClient | None

    async def close(self) -> None:
        for store in (self.profiles, self.checkpoints, self.sessions):
            await store.close()
        if self.redis is not None:
            await self.redis.aclose()


#: More than a session can have.
_ALL_CHECKPOINTS: Final = 2**31 - 1


async def open_stores(settings: Settings) -> Stores:
    """Sessions and checkpoints may lie in different backends; profiles lie where sessions do."""
    retention = Retention(
        max_turns=settings.session_max_turns,
        max_checkpoints=settings.checkpoint_keep or _ALL_CHECKPOINTS,
        ttl_seconds=settings.session_ttl_seconds,
    )
    wanted = {settings.session_store, settings.checkpoint_store}
    shared = len(wanted) == 1
    redis = _redis(settings) if settings.redis_wanted else None
    sessions: dict[str, tuple[SessionStore, ProfileStore]] = {}
    checkpoints: dict[str, CheckpointStore] = {}
    if "memory" in wanted:
        memory = MemoryState(retention)
        sessions["memory"] = (MemorySessionStore(memory), MemoryProfileStore(memory))
        checkpoints["memory"] = MemoryCheckpointStore(memory, commits_sessions=shared)
    if "sqlite" in wanted:
        from scriptgen.stores.sqlite import (
            SqliteCheckpointStore,
            SqliteDatabase,
            SqliteProfileStore,
            SqliteSessionStore,
        )

        database = await SqliteDatabase.open(
            settings.sqlite_path, retention, synchronous=settings.sqlite_synchronous
        )
        sessions["sqlite"] = (SqliteSessionStore(database), SqliteProfileStore(database))
        checkpoints["sqlite"] = SqliteCheckpointStore(database, commits_sessions=shared)
    if redis is not None and "redis" in wanted:
        from scriptgen.stores.redis import (
            RedisBackend,
            RedisCheckpointStore,
            RedisProfileStore,
            RedisSessionStore,
        )

        backend = RedisBackend(redis, retention)
        sessions["redis"] = (RedisSessionStore(backend), RedisProfileStore(backend))
        checkpoints["redis"] = RedisCheckpointStore(backend, commits_sessions=shared)
    session_store, profile_store = sessions[settings.session_store]
    return Stores(session_store, checkpoints[settings.checkpoint_store], profile_store, redis)


def event_relay(settings: Settings, stores: Stores) -> EventRelay | None:
    """Only where instances may share sessions, and request ids mean something."""
    if stores.redis is None or not settings.request_dedup_enabled or not settings.request_dedup_ttl_seconds:
        return None
    from scriptgen.stores.redis import RedisBackend
    from scriptgen.stores.redis.events import RedisEventRelay

    backend = RedisBackend(stores.redis, timeout=_RELAY_SECONDS)
    return RedisEventRelay(
        backend,
        ttl_seconds=settings.request_dedup_ttl_seconds,
        max_batches=settings.stream_buffer_events,
    )


def _redis(settings: Settings) -> RedisClient:
    from scriptgen.stores.redis.connect import connect

    return connect(settings.redis_url.get_secret_value())
