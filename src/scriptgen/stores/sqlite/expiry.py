"""Drops sessions and logs that nobody wrote to for `ttl_seconds`, a few at a time between other writes.

Not responsible for the limits within a session: those are kept by every write.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol, TypeVar

from scriptgen.domain.errors import StoreUnavailableError

T = TypeVar("T")
Place = tuple[str, str]
"""(tenant, session)"""

LOOK_CHUNK: Final = 200  # sessions looked at in one read
DROP_CHUNK: Final = 20  # sessions dropped in one transaction
PAUSE_SECONDS: Final = 0.05  # between chunks, so that a sweep takes a small share of the writer

# The newest write of a session or its log: they expire together, or a log would begin again at 1.
_IDLE = """
    coalesce((SELECT written_at FROM sessions WHERE tenant = :tenant AND session = :session), 0) < :cutoff
    AND coalesce((SELECT written_at FROM checkpoints WHERE tenant = :tenant AND session = :session
                  ORDER BY version DESC LIMIT 1), 0) < :cutoff
"""


class Database(Protocol):
    """The part of `SqliteDatabase` that expiry needs."""

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T: ...
    async def write(self, change: Callable[[sqlite3.Connection], T]) -> T: ...


class Expiry:
    """Sweeps once every tenth of `ttl_seconds`, at most hourly and at least every second."""

    def __init__(self, database: Database, ttl_seconds: int) -> None:
        self._database = database
        self._ttl = ttl_seconds
        self._task = asyncio.create_task(self._forever(), name="sqlite-expiry")

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()  # it never ends by itself: raises what went wrong

    async def _forever(self) -> None:
        while True:
            await asyncio.sleep(min(3600.0, max(1.0, self._ttl / 10)))
            try:
                await sweep(self._database, int(time.time()) - self._ttl)
            except StoreUnavailableError:
                continue  # shown by status(); the next sweep tries again


async def sweep(database: Database, cutoff: int) -> int:
    """Drop what was last written before `cutoff` (seconds since the epoch); returns how many sessions."""
    dropped = 0
    for table in ("sessions", "checkpoints"):
        after: Place | None = ("", "")
        while after is not None:
            idle, after = await database.read(partial(_idle_after, table=table, after=after, cutoff=cutoff))
            for start in range(0, len(idle), DROP_CHUNK):
                chunk = idle[start : start + DROP_CHUNK]
                dropped += await database.write(partial(_drop, places=chunk, cutoff=cutoff))
                await asyncio.sleep(PAUSE_SECONDS)
    return dropped


def _idle_after(
    connection: sqlite3.Connection, *, table: str, after: Place, cutoff: int
) -> tuple[list[Place], Place | None]:
    """The idle ones among the next sessions in key order, and where to go on, None at the end."""
    idle: list[Place] = []
    for _ in range(LOOK_CHUNK):
        # One seek for each session, however many records its log has.
        place: Place | None = connection.execute(
            f"SELECT tenant, session FROM {table} WHERE (tenant, session) > (?, ?)"  # noqa: S608 - a constant
            " ORDER BY tenant, session LIMIT 1",
            after,
        ).fetchone()
        if place is None:
            return idle, None
        after = place
        if connection.execute(f"SELECT 1 WHERE {_IDLE}", _names(place, cutoff)).fetchone():
            idle.append(place)
    return idle, after


def _drop(connection: sqlite3.Connection, *, places: list[Place], cutoff: int) -> int:
    dropped = 0
    for place in places:
        # Looked at again: somebody may have written since.
        if not connection.execute(f"SELECT 1 WHERE {_IDLE}", _names(place, cutoff)).fetchone():
            continue
        for table in ("checkpoints", "scripts", "turns", "sessions"):
            connection.execute(f"DELETE FROM {table} WHERE tenant = ? AND session = ?", place)  # noqa: S608
        dropped += 1
    return dropped


def _names(place: Place, cutoff: int) -> dict[str, str | int]:
    return {"tenant": place[0], "session": place[1], "cutoff": cutoff}
