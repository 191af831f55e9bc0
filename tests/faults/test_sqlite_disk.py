"""Full disks, read-only and damaged files, and files of a newer release: a plain sentence, never silence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import DataLossError, StoreUnavailableError
from scriptgen.domain.session import SessionKey
from scriptgen.stores.sqlite import SqliteCheckpointStore, SqliteDatabase, SqliteSessionStore
from tests.conformance.stores.samples import KEY, chain, new_session, record


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = await SqliteDatabase.open(tmp_path / "stores.db")
    yield opened
    await opened.close()


async def pragma(database: SqliteDatabase, text: str) -> None:
    await database.write(lambda connection: connection.execute(f"PRAGMA {text}").fetchall())


def big(version: int, key: SessionKey = KEY) -> CheckpointRecord:
    return record(version, key=key, state=b"x" * 9_000)


async def test_a_full_file_fails_the_write_and_keeps_what_was_acknowledged(database: SqliteDatabase) -> None:
    log = SqliteCheckpointStore(database)
    await pragma(database, "max_page_count = 60")
    acknowledged = 0

    async def fill_up() -> None:
        nonlocal acknowledged
        for version in range(1, 100):
            await log.append(big(version), version - 1)
            acknowledged = version

    with pytest.raises(StoreUnavailableError, match="disk is full"):
        await fill_up()
    assert acknowledged > 3
    newest = await log.latest(KEY)
    assert newest is not None
    assert newest.version == acknowledged
    await pragma(database, "max_page_count = 100000")
    await log.append(big(acknowledged + 1), acknowledged)
    assert (await log.status()).state is ComponentState.OK


async def test_in_a_group_only_what_was_refused_is_missing(database: SqliteDatabase) -> None:
    log = SqliteCheckpointStore(database)
    await pragma(database, "max_page_count = 60")
    keys = [SessionKey("t", f"s-{number}") for number in range(40)]
    outcomes = await asyncio.gather(*(log.append(big(1, key), 0) for key in keys), return_exceptions=True)
    assert any(isinstance(outcome, StoreUnavailableError) for outcome in outcomes)
    for key, outcome in zip(keys, outcomes, strict=True):
        assert (await log.latest(key) is not None) == (outcome is None)


async def test_status_is_down_while_nothing_can_be_written_and_ok_again_by_itself(
    database: SqliteDatabase,
) -> None:
    log = SqliteCheckpointStore(database)
    await log.append(record(1), 0)
    await pragma(database, "query_only = 1")
    with pytest.raises(StoreUnavailableError, match="cannot be written"):
        await log.append(record(2), 1)
    status = await log.status()
    assert status.state is ComponentState.DOWN
    assert status.details == {"error": "The service's database cannot be written."}
    assert await log.latest(KEY) == record(1)  # reading goes on
    database._writing.execute("PRAGMA query_only = 0")
    assert (await log.status()).state is ComponentState.OK


#: Appends until the operating system refuses, then shows that what was acknowledged can still be read.
FILL = """
import asyncio, resource, signal, sys
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.stores.sqlite import SqliteCheckpointStore, SqliteDatabase, SqliteSessionStore
from tests.faults.test_sqlite_disk import KEY, big

async def main():
    database = await SqliteDatabase.open(sys.argv[1])
    log = SqliteCheckpointStore(database)
    if sys.argv[2] != "0":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    acknowledged = 0
    try:
        for version in range(1, 1000):
            await log.append(big(version), version - 1)
            acknowledged = version
    except StoreUnavailableError as error:
        print("refused:", error)
    print("state:", (await log.status()).state)
    newest = await log.latest(KEY)
    print("kept:", newest.version == acknowledged, acknowledged > 3)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await log.append(big(acknowledged + 1), acknowledged)
    print("state:", (await log.status()).state)
    await database.close()

asyncio.run(main())
"""


def fill(path: Path, *, limit: int, before: tuple[str, ...] = ()) -> list[str]:
    done = subprocess.run(
        [*before, sys.executable, "-c", FILL, str(path), str(limit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.faults
def test_a_file_size_limit_of_the_system_is_a_store_error_not_a_crash(tmp_path: Path) -> None:
    said = fill(tmp_path / "stores.db", limit=400_000)
    assert said == [
        "refused: The service's disk does not take or give data.",
        "state: DOWN",
        "kept: True True",
        "state: OK",
    ]


@pytest.mark.faults
def test_a_full_file_system_is_a_store_error_not_a_crash(tmp_path: Path) -> None:
    with small_file_system(tmp_path / "small") as folder:
        said = fill(folder / "stores.db", limit=0)
    # The state depends on whether the last free page takes the probing write.
    assert (said[0], said[2]) == ("refused: The service's disk is full.", "kept: True True")
    assert "StoreUnavailableError" in said[-1]  # still full, so the last append is refused too


@contextlib.contextmanager
def small_file_system(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if not made or made.returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run([str(shutil.which("umount")), "-l", str(folder)], check=True)


OPEN = """
import asyncio, os, sys
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.stores.sqlite import SqliteDatabase

async def main():
    try:
        await SqliteDatabase.open(sys.argv[1])
    except StoreUnavailableError as error:
        print(error)

if os.getuid() == 0:
    os.setuid(65534)  # root may write to anything
asyncio.run(main())
"""


def test_a_file_that_may_not_be_written_is_refused_at_the_start() -> None:
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: another user must be able to enter it
        path = Path(folder) / "stores.db"
        asyncio.run(create(path))
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True, timeout=60, check=False
        )
        Path(folder).chmod(0o755)
    assert done.stdout.strip() in {
        f"{path}: The service's database cannot be written.",
        f"{path}: The service's database cannot be opened.",
    }, done.stderr


async def create(path: Path) -> None:
    await (await SqliteDatabase.open(path)).close()


async def test_a_file_that_is_no_database_is_refused_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "stores.db"
    path.write_bytes(b"not a database" * 1_000)
    with pytest.raises(StoreUnavailableError, match=r"stores\.db: The service's database is damaged"):
        await SqliteDatabase.open(path)


async def test_a_folder_that_is_not_there_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        await SqliteDatabase.open(tmp_path / "missing" / "stores.db")


async def test_damaged_pages_are_an_error_when_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "stores.db"
    database = await SqliteDatabase.open(path)
    log = SqliteCheckpointStore(database)
    for version, each in enumerate(chain(50)):
        await log.append(each, version)
    await database.close()
    with path.open("r+b") as file:
        file.seek(4096 * 2)  # leave the header and the schema
        file.write(os.urandom(path.stat().st_size - 4096 * 2))
    database = await SqliteDatabase.open(path)
    try:
        log = SqliteCheckpointStore(database)
        with pytest.raises(StoreUnavailableError, match="damaged"):
            await log.latest(KEY)
        with pytest.raises(StoreUnavailableError, match="damaged"):
            await log.append(record(51), 50)
        assert (await log.status()).state is ComponentState.DOWN
    finally:
        await database.close()


@pytest.mark.parametrize("table", ["sessions", "turns", "scripts"])
async def test_a_document_changed_by_hand_is_data_loss_not_a_crash(
    database: SqliteDatabase, table: str
) -> None:
    sessions = SqliteSessionStore(database)
    await sessions.create(new_session(turns=2))
    column = "head" if table == "sessions" else "body"
    change = f"UPDATE {table} SET {column} = x'00'"  # noqa: S608
    await database.write(lambda connection: connection.execute(change).rowcount)
    with pytest.raises(DataLossError, match="damaged"):
        await sessions.load(KEY)


async def test_a_file_of_a_newer_release_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "stores.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnavailableError, match="newer release: its schema is 99"):
        await SqliteDatabase.open(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
        assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


async def test_several_workers_may_create_the_same_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "stores.db"
    databases = await asyncio.gather(*(SqliteDatabase.open(path) for _ in range(8)))
    for version, database in enumerate(databases):
        await SqliteCheckpointStore(database).append(record(version + 1), version)
    for database in databases:
        await database.close()
