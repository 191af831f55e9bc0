"""What a caller is told when a limit refuses. Not responsible for deciding it: see `gcra`."""

from __future__ import annotations

from scriptgen.coordination.gcra import MICROSECONDS, Demand, Waits
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.domain.errors import FailedPreconditionError, QuotaViolation, ResourceExhaustedError

OVERLOAD_RETRY_SECONDS = 1.0
REQUEST_EXCEEDS_QUOTA = "REQUEST_EXCEEDS_QUOTA"


def never_fits(limits: TenantLimits, demand: Demand, tokens: int) -> FailedPreconditionError | None:
    """The refusal of a request that is larger than the largest burst, so that waiting cannot help."""
    if demand.tokens_burst_us == 0 or demand.tokens_us <= demand.tokens_burst_us:
        return None
    return FailedPreconditionError(
        f"The request needs about {tokens} tokens; at most {int(limits.token_burst)} fit into this quota "
        f"at once.",
        reason=REQUEST_EXCEEDS_QUOTA,
        metadata={"tokens": str(tokens), "token_burst": str(int(limits.token_burst))},
    )


def refusal(limits: TenantLimits, waits: Waits) -> ResourceExhaustedError:
    """The refusal by the limit that takes longest; its time is exact for requests and tokens."""
    longest = max(waits.request_us, waits.tokens_us, waits.concurrency_us)
    if longest == waits.tokens_us:
        reason, subject = "TOKEN_LIMIT_EXCEEDED", "tokens_per_minute"
        limit = f"{limits.tokens_per_minute} tokens per minute"
    elif longest == waits.request_us:
        reason, subject = "QPS_LIMIT_EXCEEDED", "qps"
        limit = f"{limits.qps:g} requests per second"
    else:
        reason, subject = "CONCURRENCY_LIMIT_EXCEEDED", "concurrency"
        limit = f"{limits.concurrent} generations at a time"
    return ResourceExhaustedError(
        f"The quota of {limit} is used up.",
        reason=reason,
        retry_after=longest / MICROSECONDS,
        violation=QuotaViolation(subject, limit),
    )


def overloaded() -> ResourceExhaustedError:
    """The refusal of an instance that has more to ask Redis than gets through."""
    return ResourceExhaustedError(
        "Too many requests wait on this instance.",
        reason="QUEUE_FULL",
        retry_after=OVERLOAD_RETRY_SECONDS,
        violation=QuotaViolation("coordination_queue", "More calls wait for Redis than it answers in time."),
    )
