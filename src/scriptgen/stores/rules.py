"""The rules every backend shares: when a write is admitted, what a read must prove, what pruning may drop.

Not responsible for atomicity: a backend calls these inside its own transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeVar

import msgspec

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord, CheckpointStatus
from scriptgen.domain.errors import DataLossError, NotFoundError, RevisionConflictError, VersionConflictError
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Script, SessionHead, SessionKey, SessionWrite, Turn

from .protocols import SessionFilter

T = TypeVar("T")

# Made here, before any thread runs: two threads that make msgspec decoders of one dataclass at once crash the
# process, and the SQLite backend decodes in several.
_DECODERS: Final[dict[Any, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind)
    for kind in (SessionHead, Turn, Script, list[Turn], list[Script], StyleProfile, CheckpointHeader)
}


def admits_append(
    newest_version: int, newest_checksum: str, record: CheckpointRecord, expected_version: int
) -> bool:
    """True: write it. False: it is there already, an earlier reply was lost. Else `VersionConflictError`."""
    if record.version == expected_version + 1:
        if newest_version == expected_version:
            return True
        if newest_version == record.version and newest_checksum == record.checksum:
            return False
    raise VersionConflictError(f"expected version {expected_version}, found {newest_version}")


def admits_save(stored_revision: int | None, same_head: bool, write: SessionWrite) -> bool:
    """True: write it. False: it is there already. Else `RevisionConflictError`; None stored: `NotFoundError`.

    `same_head` tells whether the stored head equals the one to be written.
    """
    check_write(write)
    if stored_revision is None:
        raise session_gone()
    if stored_revision == write.expected_revision:
        return True
    if stored_revision == write.head.revision and same_head:
        return False
    raise revision_conflict()


def check_write(write: SessionWrite) -> None:
    if write.head.revision != write.expected_revision + 1:
        raise ValueError("head.revision must be expected_revision + 1")


def check_profile_revision(revision: int, expected_revision: int) -> None:
    if revision != expected_revision + 1:
        raise ValueError("profile.revision must be expected_revision + 1")


def session_gone() -> NotFoundError:
    return NotFoundError("The session does not exist.")


def revision_conflict() -> RevisionConflictError:
    return RevisionConflictError("Somebody else changed it meanwhile; read it again and repeat the change.")


def verified(record: CheckpointRecord, key: SessionKey, version: int) -> CheckpointRecord:
    """The record if it is whole and lies where it belongs, else `DataLossError`."""
    if record.version != version or record.key != key or not record.intact():
        raise DataLossError(
            f"Checkpoint {version} of this session is damaged.", metadata={"version": str(version)}
        )
    return record


def decoded_document(data: bytes, kind: type[T]) -> T:
    """A stored head, turn, script or profile; raises `DataLossError` when it cannot be read any more."""
    try:
        document: T = _DECODERS[kind].decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataLossError("A stored document of this session is damaged.") from error
    return document


def decoded_record(
    key: SessionKey, version: int, header: bytes, state: bytes, checksum: str
) -> CheckpointRecord:
    """A stored record, unverified. One whose header cannot be read any more comes back with an empty header,
    so that walks and listings still show it and its checksum does not match.
    """
    return CheckpointRecord(key.tenant_id, decoded_header(key, version, header), state, checksum)


def decoded_header(key: SessionKey, version: int, header: bytes) -> CheckpointHeader:
    try:
        decoded: CheckpointHeader = _DECODERS[CheckpointHeader].decode(header)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return CheckpointHeader(
            session_id=key.session_id,
            version=version,
            trace_id="",
            request_id="",
            request_fingerprint="",
            stage="",
            stages=(),
            next_stage="",
            status=CheckpointStatus.FAILED,
            attempt=0,
            schema_version=0,
            prev_checksum="",
            create_time=0,
        )
    return decoded


def check_keep(keep: int) -> None:
    if keep < 1:
        raise ValueError("keep must be at least 1: the newest record carries the version")


def prune_up_to(newest_version: int, keep: int, statuses_newest_first: Iterable[CheckpointStatus]) -> int:
    """The newest version that may go when `keep` records shall stay, 0 for none.

    The tail of a log whose last request is unfinished is needed to resume it, so nothing after the last
    terminal record goes. `statuses_newest_first` reaches back at least to that record, if there is one.
    """
    check_keep(keep)
    for age, status in enumerate(statuses_newest_first):
        if status.terminal:
            return max(0, newest_version - max(keep, age))
    return 0


def shows(where: SessionFilter, head: SessionHead) -> bool:
    """Whether a listing shows the session. A session without an owner belongs to every user of the tenant."""
    return (
        (where.user_id is None or head.user_id in {"", where.user_id})
        and (not where.category or head.category == where.category)
        and (not where.influencer_name or head.influencer.name == where.influencer_name)
    )
