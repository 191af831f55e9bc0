"""The group writer: own verdicts, cancelled callers, another process at the file, bounded queues."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest

from scriptgen.domain.errors import StoreUnavailableError, VersionConflictError
from scriptgen.domain.session import SessionKey
from scriptgen.stores.retention import Retention
from scriptgen.stores.sqlite import SqliteCheckpointStore, SqliteDatabase, SqliteSessionStore
from scriptgen.stores.sqlite.expiry import _drop, sweep
from tests.conformance.stores.samples import KEY, head, new_session, next_write, record


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = await SqliteDatabase.open(tmp_path / "stores.db", busy_timeout=0.3, queue_limit=8)
    yield opened
    await opened.close()


@contextlib.contextmanager
def another_process_writes(path: Path) -> Iterator[sqlite3.Connection]:
    """SQLite cannot tell another connection from another process."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def key(number: int) -> SessionKey:
    return SessionKey("t", f"s-{number}")


async def test_each_change_of_a_group_gets_its_own_verdict(database: SqliteDatabase, tmp_path: Path) -> None:
    log = SqliteCheckpointStore(database)
    with another_process_writes(tmp_path / "stores.db") as other:  # so that all of them wait together
        appends = [asyncio.create_task(log.append(record(1, key=key(n)), n % 2)) for n in range(8)]
        await asyncio.sleep(0)
        other.execute("COMMIT")
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [isinstance(outcome, VersionConflictError) for outcome in outcomes] == [False, True] * 4
    for number in range(8):
        assert (await log.latest(key(number)) is not None) == (number % 2 == 0)


async def test_another_process_that_keeps_the_file_is_an_error_in_bounded_time(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    log = SqliteCheckpointStore(database)
    with another_process_writes(tmp_path / "stores.db"):
        started = time.monotonic()
        appends = [asyncio.create_task(log.append(record(1, key=key(n)), 0)) for n in range(8)]
        widest = await widest_gap_while(asyncio.gather(*appends, return_exceptions=True))
        assert time.monotonic() - started < 2
        assert widest < 0.2  # the event loop was never blocked
        for each in appends:
            assert isinstance(each.exception(), StoreUnavailableError)
        assert await log.latest(key(0)) is None  # reading never waits
    await log.append(record(1, key=key(0)), 0)


async def widest_gap_while(waiting: asyncio.Future[list[BaseException | None]]) -> float:
    widest, last = 0.0, time.monotonic()
    while not waiting.done():
        await asyncio.sleep(0.005)
        now = time.monotonic()
        widest, last = max(widest, now - last), now
    return widest


async def test_a_caller_cancelled_while_queued_leaves_nothing_half_done(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    log, sessions = SqliteCheckpointStore(database), SqliteSessionStore(database)
    for number in range(4):
        await sessions.create(new_session(key(number)))
    with another_process_writes(tmp_path / "stores.db") as other:
        commits = [
            asyncio.create_task(
                log.append(record(1, key=key(n)), 0, session=next_write(head(key(n)), turns=(0,)))
            )
            for n in range(4)
        ]
        await asyncio.sleep(0)
        for cancelled in commits[1:3]:
            cancelled.cancel()
        await asyncio.sleep(0)
        other.execute("COMMIT")
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert [isinstance(outcome, asyncio.CancelledError) for outcome in outcomes] == [False, True, True, False]
    await log.append(record(1, key=key(9)), 0)  # after this one everything queued before is decided
    for number in range(4):
        opened = await log.open_session(key(number), None, turns=1)
        assert opened.session is not None
        assert (opened.latest is not None) == (opened.session.head.revision == 2)
        assert (opened.latest is not None) == bool(opened.session.turns)
        if number in {0, 3}:
            assert opened.latest is not None


async def test_a_full_queue_refuses_at_once(database: SqliteDatabase, tmp_path: Path) -> None:
    log = SqliteCheckpointStore(database)
    with another_process_writes(tmp_path / "stores.db") as other:
        appends = [asyncio.create_task(log.append(record(1, key=key(n)), 0)) for n in range(30)]
        done, waiting = await asyncio.wait(appends, timeout=0.05)
        assert len(done) >= 30 - 8 - 8  # at most one group and one queue of eight wait
        assert all("too much to write" in str(each.exception()) for each in done)
        other.execute("COMMIT")
    await asyncio.gather(*waiting)
    stored = [number for number in range(30) if await log.latest(key(number))]
    assert len(stored) == len(waiting)


async def test_an_error_in_a_change_reaches_its_caller_and_undoes_it(database: SqliteDatabase) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO profiles VALUES ('t', 'i', 1, x'')")
        raise KeyError("a mistake of ours")

    with pytest.raises(KeyError, match="a mistake"):
        await database.write(broken)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.write(lambda connection: connection.execute("SELECT * FROM nowhere"))
    count = await database.read(
        lambda connection: connection.execute("SELECT count(*) FROM profiles").fetchone()
    )
    assert count == (0,)
    await SqliteCheckpointStore(database).append(record(1), 0)


async def test_a_closed_database_says_so(database: SqliteDatabase) -> None:
    log = SqliteCheckpointStore(database)
    await log.append(record(1), 0)
    await log.close()
    await log.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        await log.append(record(2), 1)
    with pytest.raises(StoreUnavailableError, match="closed"):
        await log.latest(KEY)


async def test_closing_finishes_what_is_queued(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "stores.db")
    log = SqliteCheckpointStore(database)
    appends = [asyncio.create_task(log.append(record(1, key=key(n)), 0)) for n in range(50)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*appends)
    database = await SqliteDatabase.open(tmp_path / "stores.db")
    assert all([await SqliteCheckpointStore(database).latest(key(n)) for n in range(50)])
    await database.close()


async def test_idle_sessions_and_logs_expire_together_and_the_others_stay(database: SqliteDatabase) -> None:
    log, sessions = SqliteCheckpointStore(database), SqliteSessionStore(database)
    for number in range(60):
        await sessions.create(new_session(key(number), turns=2))
        await log.append(record(1, key=key(number)), 0)
    await log.append(record(1, key=SessionKey("other", "log-only")), 0)
    now = int(time.time())
    age = "UPDATE {} SET written_at = written_at - 1000 WHERE session NOT IN ('s-7', 's-8')"
    await database.write(lambda connection: connection.execute(age.format("sessions")).rowcount)
    await database.write(lambda connection: connection.execute(age.format("checkpoints")).rowcount)
    await log.append(record(2, key=key(9)), 1)  # a fresh record keeps its old session
    # One that was written to after the sweep had looked at it stays.
    assert await database.write(partial(_drop, places=[("t", "s-9")], cutoff=now - 500)) == 0
    assert await sweep(database, now - 500) == 58
    kept = [number for number in range(60) if await sessions.load(key(number))]
    assert kept == [7, 8, 9]
    assert [number for number in range(60) if await log.latest(key(number))] == kept
    assert await log.latest(SessionKey("other", "log-only")) is None
    assert await sweep(database, now - 500) == 0


async def test_a_database_with_a_time_limit_sweeps_by_itself(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "stores.db", Retention(ttl_seconds=1))
    sessions = SqliteSessionStore(database)
    await sessions.create(new_session())
    async with asyncio.timeout(10):
        while await sessions.load(KEY):
            await asyncio.sleep(0.05)
    await database.close()
