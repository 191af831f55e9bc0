"""kill -9 while appending, and two processes on one log: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM
from scriptgen.stores.sqlite import SqliteCheckpointStore, SqliteDatabase, SqliteSessionStore

from .sqlite_worker import CONVERSATIONS, KEEP, SHARED, SHARED_APPENDS

WORKER = Path(__file__).with_name("sqlite_worker.py")
ROUNDS = int(os.environ.get("SCRIPTGEN_KILL_ROUNDS", "20"))

pytestmark = pytest.mark.faults


@contextlib.contextmanager
def worker(path: Path, mode: str, writer: str = "w") -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(path), mode, writer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.endswith("\n"):  # a line torn by the kill was never told
            yield line.strip()


def killed_at_random(path: Path, mode: str, seed: int) -> Counter[str]:
    """The newest version of each conversation that a worker told of before it was killed."""
    told: Counter[str] = Counter()
    with worker(path, mode) as process:
        said = lines(process)
        assert next(said) == "ready"
        go(process)
        alive = random.Random(seed).randint(1, 120)
        for count, line in enumerate(said, 1):
            session, version = line.split()
            told[session] = max(told[session], int(version))
            if count == alive:
                process.kill()
        assert process.wait() == -signal.SIGKILL, "the worker ended before it was killed"
    return told


async def lost(path: Path, told: Counter[str]) -> list[str]:
    """Which conversations lack what was told; on the way everything else of the file is checked."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database = await SqliteDatabase.open(path, KEEP)
    log, sessions = SqliteCheckpointStore(database), SqliteSessionStore(database)
    missing = []
    try:
        for key in CONVERSATIONS:
            prev, version = GENESIS_CHECKSUM, 0
            async for record in log.walk(key):
                assert record.intact()
                assert record.header.prev_checksum == prev
                assert record.version == version + 1
                prev, version = record.checksum, record.version
            session = await sessions.load(key)
            if session is not None:
                assert session.head.applied_version == version  # both or neither
                assert [turn.turn_index for turn in session.turns] == list(range(1, version + 1))
            if version < told[key.session_id]:
                missing.append(key.session_id)
    finally:
        await database.close()
    return missing


@pytest.mark.timeout(30 + 2 * ROUNDS)
async def test_what_was_acknowledged_survives_kill_9_every_time(tmp_path: Path) -> None:
    path = tmp_path / "stores.db"
    for seed in range(ROUNDS):
        told = killed_at_random(path, "commit", seed)
        assert await lost(path, told) == []


async def test_without_waiting_for_the_commit_kill_9_loses_records(tmp_path: Path) -> None:
    for seed in range(20):
        path = tmp_path / f"stores-{seed}.db"
        if await lost(path, killed_at_random(path, "early", seed)):
            return
    pytest.fail("the checker never saw a loss")


async def shared_log(path: Path, mode: str) -> tuple[list[str], list[str]]:
    """What two racing processes were told is stored, and what is stored."""
    with worker(path, mode, "a") as one, worker(path, mode, "b") as two:
        both = [(process, lines(process)) for process in (one, two)]
        for _, said in both:
            assert next(said) == "ready"
        for process, _ in both:
            go(process)
        told = [line for _, said in both for line in said]
    database = await SqliteDatabase.open(path)
    try:
        records = [record async for record in SqliteCheckpointStore(database).walk(SHARED)]
    finally:
        await database.close()
    return sorted(told), sorted(record.header.request_id for record in records)


async def test_two_processes_on_one_log_lose_and_double_nothing(tmp_path: Path) -> None:
    told, stored = await shared_log(tmp_path / "stores.db", "share")
    assert len(told) == 2 * SHARED_APPENDS
    assert stored == told


async def test_without_compare_and_set_two_processes_lose_records(tmp_path: Path) -> None:
    told, stored = await shared_log(tmp_path / "stores.db", "blind")
    assert len(told) == 2 * SHARED_APPENDS
    assert len(stored) < len(told)


async def test_processes_that_start_together_on_a_new_file_all_open_it(tmp_path: Path) -> None:
    opening = "import asyncio, sys\nfrom scriptgen.stores.sqlite import SqliteDatabase\nasyncio.run(SqliteDatabase.open(sys.argv[1]))\n"
    for number in range(3):
        path = str(tmp_path / f"new-{number}.db")
        started = [
            await asyncio.create_subprocess_exec(sys.executable, "-c", opening, path) for _ in range(6)
        ]
        assert [await process.wait() for process in started] == [0] * 6
