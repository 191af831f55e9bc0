"""The arguments and the answer of lua/open.lua, and records as they lie in a log's hash."""

from __future__ import annotations

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.session import Script, Session, SessionHead, SessionKey, Turn
from scriptgen.stores.protocols import OpenedSession
from scriptgen.stores.rules import decoded_document, decoded_record, verified

from .backend import OPEN, RedisBackend

ALL_TURNS = -1

StoredRecord = tuple[bytes, bytes | None, bytes | None, bytes | None]
"""Version, flag and checksum, header, state. A part is None only when somebody removed it by hand."""


async def read(
    backend: RedisBackend,
    key: SessionKey,
    *,
    turns: int | None = None,
    latest: bool = False,
    request_id: str | None = None,
) -> OpenedSession:
    """What was asked for; `turns` None leaves the session out. Records are verified."""
    head, turn_array, script_array, newest, found = await backend.run(
        OPEN,
        backend.keys.of_session(key),
        ["" if turns is None else turns, "1" if latest else "", request_id or ""],
    )
    session = _session(head, turn_array, script_array) if head is not None else None
    latest_record = _verified(key, newest) if newest else None
    found_record = latest_record if found == b"latest" else _verified(key, found) if found else None
    return OpenedSession(session, latest_record, found_record)


def stored_record(
    key: SessionKey, version: int, flagged: bytes | None, header: bytes | None, state: bytes | None
) -> CheckpointRecord:
    return decoded_record(key, version, header or b"", state or b"", stored_checksum(flagged))


def stored_checksum(flagged: bytes | None) -> str:
    """Without the letter in front that tells a terminal record."""
    return (flagged or b"")[1:].decode(errors="replace")


def _verified(key: SessionKey, stored: StoredRecord) -> CheckpointRecord:
    version = int(stored[0])
    return verified(stored_record(key, version, *stored[1:]), key, version)


def _session(head: bytes, turns: bytes, scripts: bytes) -> Session:
    return Session(
        decoded_document(head, SessionHead),
        tuple(reversed(decoded_document(turns, list[Turn]))),
        tuple(sorted(decoded_document(scripts, list[Script]), key=_place)),
    )


def _place(script: Script) -> tuple[int, int, str]:
    return script.turn_index, script.version, script.script_id
