"""One SQLite file with all that lasts: opens and migrates it, runs reads and writes off the event loop.

Not responsible for what is read and written (sessions.py, checkpoints.py, profiles.py).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, TypeVar

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.stores.retention import Retention

from .expiry import Expiry
from .faults import store_error
from .schema import migrate
from .writer import GroupWriter

T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL", "EXTRA", "OFF"]


class SqliteDatabase:
    """Shared by the three stores. Open it with `await SqliteDatabase.open(path, …)`.

    Reads run in a few threads, each with its own connection and on a snapshot, so they never wait for the
    writer. `busy_timeout` is how long a write waits for another process, `timeout` bounds every call; both in
    seconds. With `synchronous` FULL an acknowledged write survives a power cut, with NORMAL only a crash of
    the process.
    """

    @classmethod
    async def open(
        cls,
        path: Path | str,
        retention: Retention | None = None,
        *,
        synchronous: Synchronous = "FULL",
        busy_timeout: float = 2.0,
        timeout: float = 5.0,
        readers: int = 2,
        queue_limit: int = 1024,
        group_limit: int = 128,
    ) -> SqliteDatabase:
        """Create or migrate the file. Raises `StoreUnavailableError` with a sentence that names it."""
        try:
            connection = await asyncio.to_thread(_opened_for_writing, path, busy_timeout, synchronous)
        except (sqlite3.Error, StoreUnavailableError) as error:
            reason = store_error(error) if isinstance(error, sqlite3.Error) else error
            raise StoreUnavailableError(f"{path}: {reason}") from error
        writer = GroupWriter(
            connection, asyncio.get_running_loop(), queue_limit=queue_limit, group_limit=group_limit
        )
        return cls(
            path,
            retention or Retention(),
            connection=connection,
            writer=writer,
            busy_timeout=busy_timeout,
            timeout=timeout,
            readers=readers,
            queue_limit=queue_limit,
        )

    def __init__(
        self,
        path: Path | str,
        retention: Retention,
        *,
        connection: sqlite3.Connection,
        writer: GroupWriter,
        busy_timeout: float,
        timeout: float,
        readers: int,
        queue_limit: int,
    ) -> None:
        self.retention = retention
        self._path = path
        self._busy_timeout = busy_timeout
        self._timeout = timeout
        self._writing = connection
        self._writer = writer
        self._pool = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-reader")
        self._of_thread = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._free_reads = queue_limit
        self._closed = False
        self._expiry = Expiry(self, retention.ttl_seconds) if retention.ttl_seconds else None

    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T:
        """Run `change` in a transaction that is on disk when this returns. It may raise a domain error, which
        undoes what it did. When the caller is cancelled the change happens whole or not at all.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._writer.submit(change)
        except TimeoutError as error:
            raise StoreUnavailableError("The service's database did not answer in time.") from error

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run `query` on one consistent snapshot."""
        if self._closed:
            raise StoreUnavailableError("The service's database is closed.")
        if self._free_reads <= 0:
            raise StoreUnavailableError("The service's database has too much to read.")
        self._free_reads -= 1
        try:
            async with asyncio.timeout(self._timeout):
                return await asyncio.get_running_loop().run_in_executor(self._pool, self._query, query)
        except TimeoutError as error:
            raise StoreUnavailableError("The service's database did not answer in time.") from error
        finally:
            self._free_reads += 1

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
            if connection is None:
                connection = self._of_thread.connection = _connect(self._path, self._busy_timeout)
                self._reading.append(connection)
                connection.execute("PRAGMA query_only = 1")
            connection.execute("BEGIN")
            try:
                return query(connection)
            finally:
                if connection.in_transaction:
                    connection.execute("COMMIT")
        except sqlite3.Error as error:
            mapped = store_error(error)
            if mapped is error:
                raise
            raise mapped from error

    async def status(self, name: str) -> ComponentStatus:
        """DOWN while reads fail, or since the last write failed and a probing write does too."""
        try:
            await self.read(
                lambda connection: connection.execute("SELECT 1 FROM sessions LIMIT 1").fetchone()
            )
            if self._writer.last_error is not None:
                await self.write(_touch_file)
        except StoreUnavailableError as error:
            return ComponentStatus(name, ComponentState.DOWN, "sqlite", {"error": error.message})
        return ComponentStatus(name, ComponentState.OK, "sqlite")

    async def close(self) -> None:
        """Finish what is queued and close the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._expiry is not None:
            await self._expiry.stop()
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._pool.shutdown()
        for connection in self._reading:
            connection.close()
        self._writer.stop()
        self._writing.close()


def _opened_for_writing(
    path: Path | str, busy_timeout: float, synchronous: Synchronous
) -> sqlite3.Connection:
    """SQLite does not wait while another process switches a new file to WAL, so processes that start together
    try again for as long as they would wait for any other lock.
    """
    give_up = time.monotonic() + busy_timeout
    while True:
        try:
            return _writing_connection(path, busy_timeout, synchronous)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
        time.sleep(0.02)


def _writing_connection(
    path: Path | str, busy_timeout: float, synchronous: Synchronous
) -> sqlite3.Connection:
    connection = _connect(path, busy_timeout)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA wal_autocheckpoint = 2000")
        # Some builds overwrite what is deleted, which doubles what dropping old records writes; FAST does so
        # only where it costs no writing.
        connection.execute("PRAGMA secure_delete = FAST")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(path: Path | str, busy_timeout: float) -> sqlite3.Connection:
    """Connections are handed to one thread each, but closed by another."""
    return sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)


def _touch_file(connection: sqlite3.Connection) -> None:
    """A write that changes nothing: sets the schema version to what it is."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
