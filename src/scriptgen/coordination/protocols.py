"""What a session lock, a rate limiter and a cancel bus must do. They save work; they do not protect data."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.session import SessionKey


class LockLease(Protocol):
    """A held session lock. `lost` is set when another holder may be running: stop, the commit would be
    refused. It is None where nobody can take the lock away.
    """

    @property
    def lost(self) -> asyncio.Event | None: ...

    async def release(self) -> None:
        """Give the lock back. Never raises, bounded in time, idempotent, safe while being cancelled."""


class SessionLock(Protocol):
    async def start(self) -> None:
        """Start what works in the background, bounded in time; never raises for a Redis that is away."""

    async def acquire(self, key: SessionKey, *, timeout: float) -> LockLease:
        """Wait at most `timeout` seconds. Raises `SessionBusyError` when another holder kept it,
        `ResourceExhaustedError` (QUEUE_FULL) when too many already wait, `StoreUnavailableError` when Redis
        is gone and SESSION_LOCK_DEGRADE=reject.
        """

    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class EagerSessionLock(SessionLock, Protocol):
    """A lock that can be asked for before it is certain that it will be needed."""

    def attempt(self, key: SessionKey) -> asyncio.Task[LockLease | None]:
        """Begin to ask, once, for a session that nobody has: None when it is not free at once. Takes no place
        among those who wait, and no longer than the lock's own time bound; raises as `acquire` does.

        The task is the lock's own and must not be cancelled: await it shielded, then release what it won, or
        `abandon` it.
        """

    def abandon(self, attempt: asyncio.Task[LockLease | None]) -> None:
        """Give back what `attempt` wins or has won."""


class TenantLimits(msgspec.Struct, frozen=True):
    """0 turns a limit off. A tenant gets at most burst + rate · W in any window W."""

    qps: float
    tokens_per_minute: int
    concurrent: int

    @property
    def qps_burst(self) -> float:
        """One second's worth, at least 2."""
        return max(2.0, self.qps)

    @property
    def token_burst(self) -> float:
        """A quarter of the minute's tokens."""
        return self.tokens_per_minute / 4


class QuotaLease(Protocol):
    """A reservation. It stays charged until settled, also when it expires."""

    reserved_tokens: int

    async def settle(self, actual_tokens: int | None) -> None:
        """Charge what was used: more becomes debt, less is refunded exactly; None keeps the reservation
        charged. The first call counts, later ones do nothing. Never raises, bounded in time.
        """


class RateLimiter(Protocol):
    async def start(self) -> None:
        """As `SessionLock.start`."""

    async def reserve(self, tenant_id: str, limits: TenantLimits, *, tokens: int) -> QuotaLease:
        """Reserve one request, `tokens` tokens and one concurrent generation, all or nothing.

        Raises `ResourceExhaustedError` (QPS_…, TOKEN_…, CONCURRENCY_LIMIT_EXCEEDED) with the exact time to
        wait, or `FailedPreconditionError` (REQUEST_EXCEEDS_QUOTA) when it can never fit. A refusal costs
        nothing.
        """

    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class CancelBus(Protocol):
    """Tells every instance that a generation shall end. Best effort: the checkpoint log decides."""

    async def publish(self, key: SessionKey, request_id: str) -> None: ...

    def listen(self, callback: Callable[[SessionKey, str], None]) -> None:
        """Call back for every published cancel, also of other instances. Set once, before `start`."""

    async def start(self) -> None: ...
    async def close(self) -> None: ...
