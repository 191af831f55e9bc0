"""The backends under test: a factory each, as async generators. A new backend adds one function here."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.session import SessionKey
from scriptgen.stores.memory import (
    MemoryCheckpointStore,
    MemoryProfileStore,
    MemorySessionStore,
    MemoryState,
)
from scriptgen.stores.protocols import CheckpointStore, ProfileStore, SessionStore
from scriptgen.stores.redis import (
    RedisBackend,
    RedisCheckpointStore,
    RedisProfileStore,
    RedisSessionStore,
    connect,
)
from scriptgen.stores.retention import Retention
from scriptgen.stores.sqlite import (
    SqliteCheckpointStore,
    SqliteDatabase,
    SqliteProfileStore,
    SqliteSessionStore,
)


class Stores(msgspec.Struct, frozen=True):
    """One instance's way to the data."""

    sessions: SessionStore
    checkpoints: CheckpointStore
    profiles: ProfileStore


class Backend(msgspec.Struct, frozen=True):
    """`other` is a second instance on the same data. `corrupt(key, version, part)` changes a stored record's
    "state" or "header" behind the store's back.
    """

    name: str
    stores: Stores
    other: Stores
    corrupt: Callable[[SessionKey, int, str], Awaitable[None]]

    @property
    def sessions(self) -> SessionStore:
        return self.stores.sessions

    @property
    def checkpoints(self) -> CheckpointStore:
        return self.stores.checkpoints

    @property
    def profiles(self) -> ProfileStore:
        return self.stores.profiles


Factory = Callable[[Retention], AbstractAsyncContextManager[Backend]]

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def memory(retention: Retention) -> AsyncIterator[Backend]:
    state = MemoryState(retention)

    async def corrupt(key: SessionKey, version: int, part: str) -> None:
        log = state.logs[key]
        old = log.records[log.index(version)]
        new = replace(old, state=b"{}") if part == "state" else _with_other_trace(old)
        log.records[log.index(version)] = log.by_request[old.header.request_id] = new

    def stores() -> Stores:
        return Stores(MemorySessionStore(state), MemoryCheckpointStore(state), MemoryProfileStore(state))

    yield Backend("memory", stores(), stores(), corrupt)


def _with_other_trace(old: CheckpointRecord) -> CheckpointRecord:
    return replace(old, header=replace(old.header, trace_id="changed"))


def sqlite(home: Path) -> Factory:
    @contextlib.asynccontextmanager
    async def factory(retention: Retention) -> AsyncIterator[Backend]:
        path = home / f"stores-{next(_numbers)}.db"

        async def corrupt(key: SessionKey, version: int, part: str) -> None:
            with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
                value = b"{}" if part == "state" else b"not a header"
                changed = connection.execute(
                    f"UPDATE checkpoints SET {part} = ? WHERE tenant = ? AND session = ? AND version = ?",  # noqa: S608
                    (value, key.tenant_id, key.session_id, version),
                )
                assert changed.rowcount == 1

        async def stores() -> Stores:
            database = await SqliteDatabase.open(path, retention)
            return Stores(
                SqliteSessionStore(database), SqliteCheckpointStore(database), SqliteProfileStore(database)
            )

        backend = Backend("sqlite", await stores(), await stores(), corrupt)
        try:
            yield backend
        finally:
            for each in (backend.stores, backend.other):
                await each.sessions.close()
                await each.checkpoints.close()

    return factory


def redis(name: str, url: str) -> Factory:
    """Every backend has a prefix of its own, so the specs can share one server."""

    @contextlib.asynccontextmanager
    async def factory(retention: Retention) -> AsyncIterator[Backend]:
        prefix = f"spec{next(_numbers)}"
        backends = [RedisBackend(connect(url), retention, prefix=prefix, timeout=5) for _ in range(2)]

        async def corrupt(key: SessionKey, version: int, part: str) -> None:
            log = backends[0].keys.log(key)
            value = b"{}" if part == "state" else b"not a header"
            assert await backends[0].command("HSET", log, f"{part[0]}{version}", value) == 0

        def stores(backend: RedisBackend) -> Stores:
            return Stores(
                RedisSessionStore(backend), RedisCheckpointStore(backend), RedisProfileStore(backend)
            )

        yield Backend(name, stores(backends[0]), stores(backends[1]), corrupt)
        for backend in backends:
            await backend.close()

    return factory
