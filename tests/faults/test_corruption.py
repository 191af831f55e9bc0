"""A checkpoint changed on disk is never believed: reading it is DATA_LOSS, verification names it, and the
session can still be listed and deleted.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from scriptgen.domain import checkpoint
from scriptgen.v1 import checkpoint_pb2, session_pb2
from tests.services.live import Live, live, refused

pytestmark = pytest.mark.faults

BAD = 2  # of three records of a plain generation
READ = {
    "state": "SELECT state FROM checkpoints WHERE session = ? AND version = ?",
    "header": "SELECT header FROM checkpoints WHERE session = ? AND version = ?",
    "checksum": "SELECT checksum FROM checkpoints WHERE session = ? AND version = ?",
}
WRITE = {
    "state": "UPDATE checkpoints SET state = ? WHERE session = ? AND version = ?",
    "header": "UPDATE checkpoints SET header = ? WHERE session = ? AND version = ?",
    "checksum": "UPDATE checkpoints SET checksum = ? WHERE session = ? AND version = ?",
}


def flip_a_byte(path: Path, session: str, version: int, column: str) -> None:
    """Change one character in the middle of a stored column, past every layer of the service."""
    with closing(sqlite3.connect(path)) as connection, connection:
        (stored,) = connection.execute(READ[column], (session, version)).fetchone()
        data = bytearray(stored if isinstance(stored, bytes) else stored.encode())
        place = next(at for at in range(len(data) // 2, len(data)) if chr(data[at]).isalnum())
        data[place] = ord("7") if data[place] != ord("7") else ord("3")
        changed = bytes(data) if isinstance(stored, bytes) else data.decode()
        connection.execute(WRITE[column], (changed, session, version))


async def verified(service: Live, session: str) -> checkpoint_pb2.VerifyCheckpointsResponse:
    return await service.checkpoints.VerifyCheckpoints(
        checkpoint_pb2.VerifyCheckpointsRequest(session_id=session)
    )


@pytest.mark.parametrize("column", READ)
async def test_a_changed_record_is_data_loss_is_named_and_hides_nothing_else(
    tmp_path: Path, column: str
) -> None:
    path = tmp_path / "scriptgen.db"
    async with live(SESSION_STORE="sqlite", CHECKPOINT_STORE="sqlite", SQLITE_PATH=str(path)) as service:
        session = await service.session()
        await service.generate(session, "写一段产品介绍", request_id="request-0001")
        whole = await verified(service, session)
        assert (whole.valid, whole.checked) == (True, 3)

        flip_a_byte(path, session, BAD, column)

        await refused(
            service.checkpoints.GetCheckpoint(
                checkpoint_pb2.GetCheckpointRequest(session_id=session, version=BAD)
            ),
            grpc.StatusCode.DATA_LOSS,
            "CHECKPOINT_CORRUPT",
        )
        broken = await verified(service, session)
        assert (broken.valid, broken.first_bad_version) == (False, BAD)
        intact = await service.checkpoints.GetCheckpoint(
            checkpoint_pb2.GetCheckpointRequest(session_id=session, version=1)
        )
        assert intact.checkpoint.version == 1
        listed = await service.checkpoints.ListCheckpoints(
            checkpoint_pb2.ListCheckpointsRequest(session_id=session)
        )
        assert [one.version for one in listed.checkpoints] == [3, 2, 1]
        await service.sessions.DeleteSession(session_pb2.DeleteSessionRequest(session_id=session))
        await refused(
            service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session)),
            grpc.StatusCode.NOT_FOUND,
            "SESSION_NOT_FOUND",
        )


async def test_a_changed_newest_record_stops_the_session_but_not_its_deletion(tmp_path: Path) -> None:
    path = tmp_path / "scriptgen.db"
    async with live(SESSION_STORE="sqlite", CHECKPOINT_STORE="sqlite", SQLITE_PATH=str(path)) as service:
        session = await service.session()
        result = await service.generate(session, "写一段产品介绍", request_id="request-0001")
        flip_a_byte(path, session, result.checkpoint_version, "state")

        for call in (
            service.checkpoints.GetLatestCheckpoint(
                checkpoint_pb2.GetLatestCheckpointRequest(session_id=session)
            ),
            service.generate(session, "再来一段"),
        ):
            await refused(call, grpc.StatusCode.DATA_LOSS, "CHECKPOINT_CORRUPT")
        broken = await verified(service, session)
        assert (broken.valid, broken.first_bad_version) == (False, result.checkpoint_version)
        await service.sessions.DeleteSession(session_pb2.DeleteSessionRequest(session_id=session))


async def test_a_removed_record_is_a_gap_in_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "scriptgen.db"
    async with live(SESSION_STORE="sqlite", CHECKPOINT_STORE="sqlite", SQLITE_PATH=str(path)) as service:
        session = await service.session()
        await service.generate(session, "写一段产品介绍")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("DELETE FROM checkpoints WHERE session = ? AND version = ?", (session, BAD))
        gap = await verified(service, session)
        assert (gap.valid, gap.first_bad_version) == (False, BAD + 1)


async def test_without_the_checksum_nobody_would_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same edit with the protection off: the changed record is served as if it were true."""
    monkeypatch.setattr(checkpoint.CheckpointRecord, "intact", lambda _: True)
    path = tmp_path / "scriptgen.db"
    async with live(SESSION_STORE="sqlite", CHECKPOINT_STORE="sqlite", SQLITE_PATH=str(path)) as service:
        session = await service.session()
        await service.generate(session, "写一段产品介绍")
        flip_a_byte(path, session, BAD, "checksum")
        served = await service.checkpoints.GetCheckpoint(
            checkpoint_pb2.GetCheckpointRequest(session_id=session, version=BAD)
        )
        assert served.checkpoint.version == BAD
        assert (await verified(service, session)).first_bad_version == BAD + 1, "only the link is left"
