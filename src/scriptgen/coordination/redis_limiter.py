"""Tenant limits of all instances together, decided by one script on the Redis server's clock.

While Redis is away each process limits its own share and says so. Not responsible for estimating tokens.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any

from scriptgen.coordination.denial import REQUEST_EXCEEDS_QUOTA, never_fits, overloaded, refusal
from scriptgen.coordination.failure import RedisBusyError, RedisConfigurationError, RedisOutageError
from scriptgen.coordination.gcra import (
    CONCURRENCY_RETRY_US,
    LOG_LIMIT,
    MICROSECONDS,
    Demand,
    Waits,
    tokens_us,
)
from scriptgen.coordination.keys import limit_keys, tenant_tag
from scriptgen.coordination.local_limiter import LocalQuotaLease, LocalRateLimiter
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.coordination.redis_link import LinkState, RedisClient, RedisLink, Script, ended_in_doubt
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.observer import Observer

RESERVE = Script.load("limit_reserve")
SETTLE = Script.load("limit_settle")
OUTAGE_REASON = "redis_unavailable"


class RedisQuotaLease:
    """A reservation in Redis; `tag` "" is one that was let through in shadow mode or without any limit."""

    __slots__ = ("_limiter", "_rate", "_settlement", "lease_id", "reserved_tokens", "tag")

    def __init__(self, limiter: RedisRateLimiter, tag: str, tokens: int, rate: int) -> None:
        """`rate` is in tokens per minute, 0 for none."""
        self.lease_id = secrets.token_hex(16)
        self.tag = tag
        self.reserved_tokens = tokens
        self._limiter = limiter
        self._rate = rate
        self._settlement: asyncio.Task[None] | None = None

    async def settle(self, actual_tokens: int | None) -> None:
        if self._settlement is None:
            actual = ""
            if actual_tokens is not None and self._rate:
                actual = str(tokens_us(actual_tokens, self._rate))
            if actual_tokens is not None and self.reserved_tokens:
                self._limiter.observer.tokens_reserved_ratio(actual_tokens / self.reserved_tokens)
            self._settlement = self._limiter.spawn(self._limiter.charge(self, actual))
        await asyncio.shield(self._settlement)


class RedisRateLimiter:
    """See `RateLimiter`. One round trip to reserve, one to settle. With `shadow` nothing is refused."""

    def __init__(
        self,
        redis: RedisClient,
        *,
        lease_seconds: float = 300.0,
        replicas: int = 1,
        operation_timeout: float = 0.5,
        failures_to_open: int = 3,
        probe_seconds: tuple[float, float] = (2.0, 3.0),
        clock: Callable[[], float] = time.monotonic,
        shadow: bool = False,
        observer: Observer,
    ) -> None:
        """`lease_seconds` must exceed the longest generation; `replicas` is how many processes share the
        limits, for the time without Redis; `clock` serves that time only. For the client see `redis_link`.
        """
        self.observer = observer
        self._lease_us = round(lease_seconds * MICROSECONDS)
        self._shadow = shadow
        self._retry_after = probe_seconds[1]
        self._settle_timeout = 0.8 * operation_timeout
        self._local = LocalRateLimiter(
            clock=clock, lease_seconds=lease_seconds, replicas=replicas, shadow=shadow, observer=observer
        )
        self._link = RedisLink(
            redis,
            name="rate limiter",
            operation_timeout=operation_timeout,
            failures_to_open=failures_to_open,
            probe_seconds=probe_seconds,
            on_state=lambda _: None,
        )
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Look whether Redis is there (at most twice `operation_timeout`) and probe from then on."""
        await self._link.start()

    async def close(self) -> None:
        """Settlements under way end within their own time bound."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._link.close()

    async def status(self) -> ComponentStatus:
        details = {"shadow": str(self._shadow).lower(), "unsettled": str(self._link.doubts)}
        if self._link.state is LinkState.UP:
            return ComponentStatus("rate_limiter", ComponentState.OK, "redis", details)
        details["error"] = self._link.last_error
        if self._link.state is LinkState.OUTAGE:
            return ComponentStatus("rate_limiter", ComponentState.DEGRADED, "local", details)
        return ComponentStatus("rate_limiter", ComponentState.DOWN, "redis", details)

    async def reserve(
        self, tenant_id: str, limits: TenantLimits, *, tokens: int
    ) -> RedisQuotaLease | LocalQuotaLease:
        """Also raises `StoreUnavailableError` when Redis refuses by its configuration."""
        demand = Demand.of(limits, tokens)
        lease = RedisQuotaLease(self, tenant_tag(tenant_id), tokens, limits.tokens_per_minute)
        error = never_fits(limits, demand, tokens)
        if error is not None:
            return self._refused(lease, REQUEST_EXCEEDS_QUOTA, error)
        if demand.unlimited:
            lease.tag = ""
            self.observer.rate_limit_decision("allowed", "")
            return lease
        if not self._link.up:
            return self._local.take(tenant_id, limits, tokens, outage=OUTAGE_REASON)
        try:
            waits = await self._ask(lease, demand)
        except RedisBusyError as busy:
            raise overloaded() from busy
        except RedisOutageError:
            return self._local.take(tenant_id, limits, tokens, outage=OUTAGE_REASON)
        except RedisConfigurationError as refusing:
            raise StoreUnavailableError(
                "Quotas are not available at the moment.", retry_after=self._retry_after
            ) from refusing
        if not waits.granted:
            refused = refusal(limits, waits)
            return self._refused(lease, refused.reason, refused)
        self.observer.rate_limit_decision("allowed", "")
        return lease

    def _refused(self, lease: RedisQuotaLease, reason: str, error: Exception) -> RedisQuotaLease:
        if not self._shadow:
            self.observer.rate_limit_decision("denied", reason)
            raise error
        self.observer.rate_limit_decision("shadow_denied", reason)
        lease.tag = ""
        return lease

    async def _ask(self, lease: RedisQuotaLease, demand: Demand) -> Waits:
        """One reservation. When the caller is cancelled it runs on, and what it reserved is given back."""
        attempt = self.spawn(self._run_reserve(lease, demand))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            self.spawn(self._take_back(lease, attempt))
            raise
        except RedisOutageError as error:
            if error.doubtful:
                self._settle_later(lease, "0")
            raise

    async def _run_reserve(self, lease: RedisQuotaLease, demand: Demand) -> Waits:
        request, tokens, concurrency, _ = await self._link.run(
            RESERVE,
            limit_keys(lease.tag),
            [
                lease.lease_id,
                demand.request_us,
                demand.request_burst_us,
                demand.tokens_us,
                demand.tokens_burst_us,
                demand.concurrent,
                self._lease_us,
                LOG_LIMIT,
                CONCURRENCY_RETRY_US,
            ],
        )
        return Waits(request, tokens, concurrency)

    async def _take_back(self, lease: RedisQuotaLease, attempt: asyncio.Task[Waits]) -> None:
        if await ended_in_doubt(attempt):
            self._settle_later(lease, "0")
        else:
            await self.charge(lease, "0")

    async def charge(self, lease: RedisQuotaLease, actual: str) -> None:
        """Settle now, or once Redis is back; should it never be, the reservation stays charged."""
        if not lease.tag:
            return
        if not self._link.up:
            self._settle_later(lease, actual)
            return
        try:
            await self._run_settle(lease, actual)
        except RedisOutageError:
            self._settle_later(lease, actual)
        except RedisConfigurationError:
            return

    def _settle_later(self, lease: RedisQuotaLease, actual: str) -> None:
        self._link.doubt(lease.lease_id, lambda: self._run_settle(lease, actual))

    async def _run_settle(self, lease: RedisQuotaLease, actual: str) -> bool:
        found, _ = await self._link.run(
            SETTLE, limit_keys(lease.tag), [lease.lease_id, actual, LOG_LIMIT], timeout=self._settle_timeout
        )
        return bool(found)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that `close` awaits."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
