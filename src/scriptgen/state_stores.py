"""Opens the state stores that the settings ask for, and the Redis connection they share with coordination."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from scriptgen.settings import Settings
from scriptgen.stores.memory import (
    MemoryCheckpointStore,
    MemoryProfileStore,
    MemorySessionStore,
    MemoryState,
)
from scriptgen.stores.protocols import CheckpointStore, ProfileStore, SessionStore
from scriptgen.stores.retention import Retention

if TYPE_CHECKING:
    from redis.asyncio import Redis, RedisCluster

    RedisClient = Redis | RedisCluster


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


async def open_stores(settings: Settings) -> Stores:
    """Sessions and checkpoints may lie in different backends; profiles lie where sessions do."""
    retention = Retention(
        max_turns=settings.session_max_turns,
        max_checkpoints=settings.checkpoint_keep,
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


def _redis(settings: Settings) -> RedisClient:
    from scriptgen.stores.redis.connect import connect

    return connect(settings.redis_url.get_secret_value())
