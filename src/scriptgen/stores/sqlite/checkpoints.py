"""The checkpoint log in SQLite: one row a record, clustered by session and version."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Any, Final

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord, CheckpointStatus
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.session import SessionKey, SessionWrite
from scriptgen.stores.protocols import Opened, OpenedSession
from scriptgen.stores.rules import admits_append, decoded_header, decoded_record, prune_up_to, verified

from .database import SqliteDatabase
from .sessions import load, save

#: Records read at a time by `walk`: a state may have 1 MB.
WALK_CHUNK: Final = 16
#: Old records go a tenth of the limit at a time: neighbours share pages, so together they cost less.
_DROPPED_PART: Final = 10

_OF_SESSION = "FROM checkpoints WHERE tenant = ? AND session = ?"
_RECORD = f"SELECT version, header, state, checksum {_OF_SESSION}"
# Named, because SQLite would rather walk the whole log backwards to save the sorting.
_OF_REQUEST = """
    SELECT version, header, state, checksum FROM checkpoints INDEXED BY checkpoints_request
    WHERE tenant = ? AND session = ? AND request_id = ? ORDER BY version DESC LIMIT 1
"""
_NEWEST_VERSION = f"SELECT version, checksum {_OF_SESSION} ORDER BY version DESC LIMIT 1"
_OLDEST_VERSION = f"SELECT version {_OF_SESSION} ORDER BY version LIMIT 1"
_PAGE = f"SELECT version, header, checksum {_OF_SESSION} AND version < ? ORDER BY version DESC LIMIT ?"
_WALK = f"{_RECORD} AND version > ? ORDER BY version LIMIT ?"
_INSERT = """
    INSERT INTO checkpoints
        (tenant, session, version, request_id, terminal, written_at, checksum, header, state)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class SqliteCheckpointStore:
    """`commits_sessions` is to be false when the sessions lie in another backend."""

    def __init__(self, database: SqliteDatabase, *, commits_sessions: bool = True) -> None:
        self._database = database
        self.commits_sessions = commits_sessions

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        retention = self._database.retention

        def change(connection: sqlite3.Connection) -> None:
            _append(connection, record, expected_version, retention.max_checkpoints)
            if session is not None:
                save(connection, session, retention.max_turns)

        await self._database.write(change)

    async def latest(self, key: SessionKey) -> CheckpointRecord | None:
        return await self._database.read(lambda connection: _latest(connection, key))

    async def get(self, key: SessionKey, version: int) -> CheckpointRecord | None:
        return await self._database.read(
            lambda connection: _one(connection, key, f"{_RECORD} AND version = ?", version)
        )

    async def find_request(self, key: SessionKey, request_id: str) -> CheckpointRecord | None:
        return await self._database.read(lambda connection: _of_request(connection, key, request_id))

    async def open(self, key: SessionKey, request_id: str | None) -> Opened:
        return await self._database.read(lambda connection: _open(connection, key, request_id))

    async def open_session(self, key: SessionKey, request_id: str | None, *, turns: int) -> OpenedSession:
        def query(connection: sqlite3.Connection) -> OpenedSession:
            log = _open(connection, key, request_id)
            return OpenedSession(load(connection, key, turns), log.latest, log.found)

        return await self._database.read(query)

    async def list(
        self, key: SessionKey, *, page_size: int, before_version: int | None = None
    ) -> Sequence[tuple[CheckpointHeader, str]]:
        before = 2**62 if before_version is None else before_version
        rows = await self._database.read(
            partial(_rows, statement=_PAGE, parameters=(*_place(key), before, page_size))
        )
        return [(decoded_header(key, version, header), checksum) for version, header, checksum in rows]

    async def walk(self, key: SessionKey) -> AsyncIterator[CheckpointRecord]:
        after = 0
        while True:
            rows = await self._database.read(
                partial(_rows, statement=_WALK, parameters=(*_place(key), after, WALK_CHUNK))
            )
            for version, header, state, checksum in rows:
                yield decoded_record(key, version, header, state, checksum)
            if len(rows) < WALK_CHUNK:
                return
            after = rows[-1][0]

    async def prune(self, key: SessionKey, keep: int) -> int:
        return await self._database.write(lambda connection: _prune(connection, key, keep))

    async def delete(self, key: SessionKey) -> int:
        return await self._database.write(
            lambda connection: connection.execute(f"DELETE {_OF_SESSION}", _place(key)).rowcount
        )

    async def status(self) -> ComponentStatus:
        return await self._database.status("checkpoint_store")

    async def close(self) -> None:
        await self._database.close()


def _append(
    connection: sqlite3.Connection, record: CheckpointRecord, expected_version: int, max_checkpoints: int
) -> None:
    place, header = _place(record.key), record.header
    version, checksum = connection.execute(_NEWEST_VERSION, place).fetchone() or (0, "")
    if not admits_append(version, checksum, record, expected_version):
        return
    terminal = header.status.terminal
    connection.execute(
        _INSERT,
        (
            *place,
            record.version,
            header.request_id,
            terminal,
            int(time.time()),
            record.checksum,
            canonical_json(header),
            record.state,
        ),
    )
    if terminal and record.version > max_checkpoints:
        last = record.version - max_checkpoints
        (oldest,) = connection.execute(_OLDEST_VERSION, place).fetchone()
        if last >= oldest + max_checkpoints // _DROPPED_PART:
            connection.execute(f"DELETE {_OF_SESSION} AND version <= ?", (*place, last))


def _prune(connection: sqlite3.Connection, key: SessionKey, keep: int) -> int:
    place = _place(key)
    newest, _ = connection.execute(_NEWEST_VERSION, place).fetchone() or (0, "")
    tail = connection.execute(f"SELECT terminal {_OF_SESSION} ORDER BY version DESC", place)
    statuses = (CheckpointStatus.COMPLETED if row[0] else CheckpointStatus.RUNNING for row in tail)
    last = prune_up_to(newest, keep, statuses)
    tail.close()
    return connection.execute(f"DELETE {_OF_SESSION} AND version <= ?", (*place, last)).rowcount


def _latest(connection: sqlite3.Connection, key: SessionKey) -> CheckpointRecord | None:
    return _one(connection, key, f"{_RECORD} ORDER BY version DESC LIMIT 1")


def _of_request(connection: sqlite3.Connection, key: SessionKey, request_id: str) -> CheckpointRecord | None:
    return _one(connection, key, _OF_REQUEST, request_id)


def _open(connection: sqlite3.Connection, key: SessionKey, request_id: str | None) -> Opened:
    latest = _latest(connection, key)
    if request_id is None or latest is None or latest.header.request_id == request_id:
        return Opened(latest, latest if request_id is not None else None)
    return Opened(latest, _of_request(connection, key, request_id))


def _one(
    connection: sqlite3.Connection, key: SessionKey, statement: str, *more: str | int
) -> CheckpointRecord | None:
    row = connection.execute(statement, (*_place(key), *more)).fetchone()
    if row is None:
        return None
    version, header, state, checksum = row
    return verified(decoded_record(key, version, header, state, checksum), key, version)


def _rows(
    connection: sqlite3.Connection, *, statement: str, parameters: tuple[str | int, ...]
) -> Sequence[tuple[Any, ...]]:
    return connection.execute(statement, parameters).fetchall()


def _place(key: SessionKey) -> tuple[str, str]:
    return key.tenant_id, key.session_id
