"""A process that appends to a SQLite log until it is killed, telling on stdout what it was told is stored.

Usage: sqlite_worker.py PATH MODE WRITER; waits for a line on stdin after saying "ready".
MODE "commit": four conversations, each commit a record with its session; tells after the commit.
MODE "early":  the same, but tells before: the protection off.
MODE "share":  100 appends to one shared log, again on conflict.
MODE "blind":  the same without compare and set: the protection off.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys

from msgspec.structs import replace

from scriptgen.domain.checkpoint import (
    GENESIS_CHECKSUM,
    CheckpointHeader,
    CheckpointRecord,
    CheckpointStatus,
    sealed,
)
from scriptgen.domain.errors import SessionExistsError, VersionConflictError
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite, Turn
from scriptgen.stores.retention import Retention
from scriptgen.stores.sqlite import SqliteCheckpointStore, SqliteDatabase, SqliteSessionStore, checkpoints

KEEP = Retention(max_turns=1_000_000, max_checkpoints=1_000_000)
SHARED = SessionKey("tenant", "shared")
SHARED_APPENDS = 100
CONVERSATIONS = [SessionKey("tenant", f"conversation-{number}") for number in range(4)]


def tell(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def next_record(key: SessionKey, latest: CheckpointRecord | None, request_id: str) -> CheckpointRecord:
    version = latest.version + 1 if latest else 1
    prev = latest.checksum if latest else GENESIS_CHECKSUM
    status = CheckpointStatus.COMPLETED
    header = CheckpointHeader(
        key.session_id, version, "t", request_id, "f", "COMPLETED", (), "", status, 0, 1, prev, version
    )
    return sealed(key.tenant_id, header, b"x" * 3_000)


async def converse(key: SessionKey, database: SqliteDatabase, *, early: bool) -> None:
    sessions, log = SqliteSessionStore(database), SqliteCheckpointStore(database)
    with contextlib.suppress(SessionExistsError):
        await sessions.create(Session(SessionHead(key.tenant_id, key.session_id)))
    while True:
        opened = await log.open_session(key, None, turns=0)
        assert opened.session is not None
        head = opened.session.head
        record = next_record(key, opened.latest, "r")
        after = replace(head, revision=head.revision + 1, applied_version=record.version)
        write = SessionWrite(after, head.revision, (Turn(record.version, "q"),))
        if early:
            tell(key.session_id, record.version)
        await log.append(record, record.version - 1, session=write)
        if not early:
            tell(key.session_id, record.version)


async def share(database: SqliteDatabase, writer: str) -> None:
    log = SqliteCheckpointStore(database)
    for number in range(SHARED_APPENDS):
        while True:
            record = next_record(SHARED, await log.latest(SHARED), f"{writer}-{number}")
            try:
                await log.append(record, record.version - 1)
                break
            except VersionConflictError:
                continue
        tell(record.header.request_id)


async def main(path: str, mode: str, writer: str) -> None:
    if mode == "blind":
        replacing = checkpoints._INSERT.replace("INSERT", "INSERT OR REPLACE")
        vars(checkpoints).update(admits_append=lambda *_: True, _INSERT=replacing)
    database = await SqliteDatabase.open(path, KEEP)
    tell("ready")
    sys.stdin.readline()
    try:
        if mode in {"share", "blind"}:
            await share(database, writer)
        else:
            async with asyncio.TaskGroup() as group:
                for key in CONVERSATIONS:
                    group.create_task(converse(key, database, early=mode == "early"))
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
