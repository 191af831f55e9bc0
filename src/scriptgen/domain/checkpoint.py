"""A record of the checkpoint log, its checksum, and the rules of the chain.

The log of a session is its write-ahead log: versions 1, 2, … without gaps, each record's `prev_checksum` is
the checksum of the one before, and the checksum covers the whole record including that link.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from .canonical import canonical_json, sha256_hex
from .session import SessionKey

SCHEMA_VERSION: Final = 1
GENESIS_CHECKSUM: Final = "0" * 64


class CheckpointStatus(StrEnum):
    """ACCEPTED, RUNNING and RESUMED are unfinished; the rest are terminal."""

    ACCEPTED = "ACCEPTED"
    RUNNING = "RUNNING"
    RESUMED = "RESUMED"
    COMPLETED = "COMPLETED"
    DEGRADED = "DEGRADED"
    CLARIFYING = "CLARIFYING"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"

    @property
    def terminal(self) -> bool:
        return self not in _UNFINISHED


_UNFINISHED = frozenset({CheckpointStatus.ACCEPTED, CheckpointStatus.RUNNING, CheckpointStatus.RESUMED})


class CheckpointHeader(msgspec.Struct, frozen=True):
    """A record without its state. `stages` lists all stages that share this append, oldest first;
    `stage` is the last of them; `next_stage` is "" after the end. `create_time` is in µs since the epoch.
    """

    session_id: str
    version: int
    trace_id: str
    request_id: str
    request_fingerprint: str
    stage: str
    stages: tuple[str, ...]
    next_stage: str
    status: CheckpointStatus
    attempt: int
    schema_version: int
    prev_checksum: str
    create_time: int


class CheckpointRecord(msgspec.Struct, frozen=True):
    """A header, the workflow state as canonical JSON, and the checksum over both."""

    tenant_id: str
    header: CheckpointHeader
    state: bytes
    checksum: str

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.tenant_id, self.header.session_id)

    @property
    def version(self) -> int:
        return self.header.version

    def intact(self) -> bool:
        """Whether the stored checksum is that of the stored content."""
        return self.checksum == checksum_of(self.tenant_id, self.header, self.state)


def checksum_of(tenant_id: str, header: CheckpointHeader, state: bytes) -> str:
    """SHA-256, hex, over tenant, header and state."""
    return sha256_hex(tenant_id.encode(), b"\n", canonical_json(header), b"\n", state)


def sealed(tenant_id: str, header: CheckpointHeader, state: bytes) -> CheckpointRecord:
    """A record with its checksum computed."""
    return CheckpointRecord(tenant_id, header, state, checksum_of(tenant_id, header, state))
