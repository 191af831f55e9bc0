"""Every error a caller can see, as one tree. A class carries its gRPC code, its reason and its details.

    ScriptgenError
    ├── InvalidArgumentError            INVALID_ARGUMENT     INVALID_FIELD
    ├── UnauthenticatedError            UNAUTHENTICATED      CREDENTIALS_MISSING, API_KEY_…, TOKEN_…
    ├── PermissionDeniedError           PERMISSION_DENIED    TENANT_INACTIVE, CATEGORY_…, SKILL_…
    ├── NotFoundError                   NOT_FOUND            SESSION_…, CHECKPOINT_…, SCRIPT_…, REQUEST_…
    ├── ResourceExhaustedError          RESOURCE_EXHAUSTED   QPS_…, TOKEN_…, CONCURRENCY_…, QUEUE_FULL
    ├── FailedPreconditionError         FAILED_PRECONDITION  REQUEST_ID_REUSED, …_EXCEEDS_QUOTA, NO_SCRIPT
    ├── AbortedError                    ABORTED
    │   ├── SessionBusyError                                 SESSION_BUSY
    │   ├── RevisionConflictError                            REVISION_CONFLICT
    │   └── LeaseLostError                                   LEASE_LOST
    ├── DeadlineExceededError           DEADLINE_EXCEEDED    (as when gRPC itself says it: no reason of ours)
    ├── UnavailableError                UNAVAILABLE
    │   ├── LLMUnavailableError                              LLM_UNAVAILABLE
    │   ├── StoreUnavailableError                            STORE_UNAVAILABLE
    │   └── DrainingError                                    DRAINING
    └── DataLossError                   DATA_LOSS            CHECKPOINT_CORRUPT

The message is a plain sentence for people: no ids of other tenants, no internals. Store-internal conflicts
(`VersionConflictError`, `SessionExistsError`) stand beside the tree: they are answered inside the service.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import msgspec


class FieldViolation(msgspec.Struct, frozen=True):
    """One wrong field. `field` is its path in the request (`influencer.style.formality`)."""

    field: str
    description: str


class QuotaViolation(msgspec.Struct, frozen=True):
    """Which limit refused: `subject` is a limit's name (`qps`, `tokens_per_minute`, `concurrency`)."""

    subject: str
    description: str


class ScriptgenError(Exception):
    """Base of everything that reaches a caller as a typed status."""

    code: ClassVar[str] = "INTERNAL"
    default_reason: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`retry_after` is in seconds; None means that no time can be named."""
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.metadata: dict[str, str] = dict(metadata or {})
        self.retry_after = retry_after


class InvalidArgumentError(ScriptgenError):
    """The request is wrong whatever the state of the service; carries all violations at once."""

    code = "INVALID_ARGUMENT"
    default_reason = "INVALID_FIELD"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        super().__init__("The request has invalid fields: " + ", ".join(v.field for v in violations) + ".")
        self.violations = tuple(violations)


class UnauthenticatedError(ScriptgenError):
    code = "UNAUTHENTICATED"
    default_reason = "CREDENTIALS_MISSING"


class PermissionDeniedError(ScriptgenError):
    code = "PERMISSION_DENIED"
    default_reason = "TENANT_INACTIVE"


class NotFoundError(ScriptgenError):
    code = "NOT_FOUND"
    default_reason = "SESSION_NOT_FOUND"


class ResourceExhaustedError(ScriptgenError):
    """A limit or a bounded queue is full. `violation` names the limit."""

    code = "RESOURCE_EXHAUSTED"
    default_reason = "QUEUE_FULL"

    def __init__(
        self, message: str, *, reason: str = "", retry_after: float, violation: QuotaViolation
    ) -> None:
        super().__init__(
            message,
            reason=reason,
            retry_after=retry_after,
            metadata={"retry_after_seconds": f"{retry_after:.3f}"},
        )
        self.violation = violation


class FailedPreconditionError(ScriptgenError):
    code = "FAILED_PRECONDITION"
    default_reason = "NO_SCRIPT"


class AbortedError(ScriptgenError):
    code = "ABORTED"
    default_reason = "REVISION_CONFLICT"


class SessionBusyError(AbortedError):
    """Waited for the session's lock and gave up; nothing ran."""

    default_reason = "SESSION_BUSY"


class RevisionConflictError(AbortedError):
    """The stored session is not at the expected revision."""

    default_reason = "REVISION_CONFLICT"


class LeaseLostError(AbortedError):
    """Another worker took the session over; this generation stopped and committed nothing."""

    default_reason = "LEASE_LOST"


class DeadlineExceededError(ScriptgenError):
    """The caller's own time was over before the answer was whole. gRPC says the same where it is first."""

    code = "DEADLINE_EXCEEDED"


class UnavailableError(ScriptgenError):
    code = "UNAVAILABLE"
    default_reason = "STORE_UNAVAILABLE"


class LLMUnavailableError(UnavailableError):
    default_reason = "LLM_UNAVAILABLE"


class StoreUnavailableError(UnavailableError):
    default_reason = "STORE_UNAVAILABLE"


class DrainingError(UnavailableError):
    default_reason = "DRAINING"


class DataLossError(ScriptgenError):
    code = "DATA_LOSS"
    default_reason = "CHECKPOINT_CORRUPT"


class VersionConflictError(Exception):
    """A checkpoint append expected another version than the log's newest."""


class SessionExistsError(Exception):
    """A session of this id is there already."""
