"""What a store must do. Every write compares before it sets; nothing here depends on a lock or a clock.

All methods raise `StoreUnavailableError` when the backend cannot be reached or refuses to write, within the
store's own time bound; none waits for ever.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Protocol, runtime_checkable

import msgspec

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.generation import SequencedEvent
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite


class SessionFilter(msgspec.Struct, frozen=True):
    """Which sessions a listing shows; `user_id` None shows every user's, else that user's and those without
    an owner.
    """

    user_id: str | None = None
    category: str = ""
    influencer_name: str = ""


class SessionPage(msgspec.Struct, frozen=True):
    """One page, newest first. `next_cursor` is "" at the end; it is opaque and stable under writes."""

    heads: tuple[SessionHead, ...]
    next_cursor: str = ""


class SessionStore(Protocol):
    """Session documents. A session of more turns than the store's `max_turns` drops its oldest ones."""

    async def create(self, session: Session) -> None:
        """Store a new session; raises `SessionExistsError` when the id is taken in the tenant."""

    async def load(self, key: SessionKey, *, turns: int | None = None) -> Session | None:
        """The session with its newest `turns` turns and their scripts (None: all), or None when absent."""

    async def save(self, write: SessionWrite) -> None:
        """Apply atomically; raises `RevisionConflictError` when the stored revision is another,
        `NotFoundError` when the session is gone. Repeating a write whose reply was lost succeeds: it is
        known by its head, so two writers must never write equal heads (`update_time` tells them apart).
        """

    async def list(
        self, tenant_id: str, where: SessionFilter, *, page_size: int, cursor: str = ""
    ) -> SessionPage:
        """Newest first by (create_time, session_id). A cursor that is not one of ours raises ValueError."""

    async def delete(self, key: SessionKey) -> bool:
        """Remove the session; False when it was not there."""

    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class Opened(msgspec.Struct, frozen=True):
    """What a request must know of the log: its newest record, and the newest record of the request itself."""

    latest: CheckpointRecord | None
    found: CheckpointRecord | None


class OpenedSession(msgspec.Struct, frozen=True):
    """A session together with what `Opened` says of its log."""

    session: Session | None
    latest: CheckpointRecord | None
    found: CheckpointRecord | None


@runtime_checkable
class SessionOpener(Protocol):
    """Reads all that the start of a request needs, in one round trip where the backend can.

    The log is read no later than the session, so a session that seems ahead of the log only means that
    somebody committed in between; the append's compare-and-set then refuses.
    """

    async def open_session(self, key: SessionKey, request_id: str | None, *, turns: int) -> OpenedSession:
        """The session with its newest `turns` turns, the log's newest record and the request's newest one.
        Raises `DataLossError` like `CheckpointStore.latest`.
        """


class CheckpointStore(Protocol):
    """The checkpoint log of every session.

    `commits_sessions` is true when `append` can also apply a `SessionWrite` in the same transaction, because
    the sessions lie in the same backend.
    """

    commits_sessions: bool

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        """Append if the newest version is `expected_version` and `record.version == expected_version + 1`,
        else raise `VersionConflictError`. With `session`, both happen or neither (`RevisionConflictError`).
        Repeating an append whose reply was lost (same version, same checksum) succeeds.
        """

    async def latest(self, key: SessionKey) -> CheckpointRecord | None:
        """The newest record; raises `DataLossError` when its checksum does not match."""

    async def get(self, key: SessionKey, version: int) -> CheckpointRecord | None:
        """One record; raises `DataLossError` when its checksum does not match."""

    async def find_request(self, key: SessionKey, request_id: str) -> CheckpointRecord | None:
        """The newest record of this request; raises `DataLossError` when its checksum does not match."""

    async def open(self, key: SessionKey, request_id: str | None) -> Opened:
        """`latest` and `find_request` in one round trip; without a request id `found` is None."""

    async def list(
        self, key: SessionKey, *, page_size: int, before_version: int | None = None
    ) -> Sequence[tuple[CheckpointHeader, str]]:
        """Headers with their checksums, newest first, without state; `before_version` is exclusive."""

    def walk(self, key: SessionKey) -> AsyncIterator[CheckpointRecord]:
        """All stored records oldest first, unverified and as stored: for verification and export."""

    async def prune(self, key: SessionKey, keep: int) -> int:
        """Drop all but the newest `keep` records; returns how many went. Never drops an unfinished tail."""

    async def delete(self, key: SessionKey) -> int: ...
    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class ProfileStore(Protocol):
    """Learned style profiles, one per tenant and influencer name."""

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None: ...

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        """Store if the stored revision is `expected_revision` (0: none stored), else `RevisionConflictError`.
        `profile.revision` must be `expected_revision + 1`.
        """

    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class RelayEnd(StrEnum):
    """How a run ended: with a result that stands, or without (failed, stopped, cancelled)."""

    RESULT = "result"
    STOPPED = "stopped"


class RelayBatch(msgspec.Struct, frozen=True):
    """Events of a running generation, one after the other; none is only a sign of life.

    `run` is the version of the record that began this run, so a later one, which took the session over, is
    higher. `next_sequence` is the first event's, or what the next one's will be. `begins` replaces what an
    earlier run published.
    """

    run: int
    fingerprint: str
    next_sequence: int
    events: tuple[SequencedEvent, ...]
    begins: bool
    ended: RelayEnd | None


class RelayedPart(msgspec.Struct, frozen=True):
    """What was published of a request. `events` are those after the sequence asked for, at most a few
    hundred; `first` and `last` are the sequences that are there; `silent_seconds` counts from the last sign
    of life, by the relay's own clock.
    """

    run: int
    fingerprint: str
    first: int
    last: int
    ended: RelayEnd | None
    silent_seconds: float
    events: tuple[SequencedEvent, ...]


class EventRelay(Protocol):
    """Carries events to listeners on other instances. Best effort: the checkpoint log decides.

    Both methods raise `StoreUnavailableError` within the store's own time bound.
    """

    async def publish(self, key: SessionKey, request_id: str, batch: RelayBatch) -> float | None:
        """Add a batch; the seconds since another instance read (infinity: none did). None when a later run
        has begun, `LookupError` when the batch does not follow what is stored: begin anew.
        """

    async def read(self, key: SessionKey, request_id: str, *, after: int) -> RelayedPart | None:
        """What is there, None when nothing is. Keeps the generation going as long as it is called."""
