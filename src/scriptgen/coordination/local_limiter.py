"""Tenant limits of one process. Not responsible for other processes: see `redis_limiter`."""

from __future__ import annotations

import time
from collections.abc import Callable

from scriptgen.coordination.denial import REQUEST_EXCEEDS_QUOTA, never_fits, refusal
from scriptgen.coordination.gcra import MICROSECONDS, Demand, TenantState, tokens_us
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.observer import Observer

# Idle tenants are swept when this many are known, and again whenever their number has doubled.
SWEEP_AT = 1024


class LocalQuotaLease:
    """A reservation in this process; `state` None is one that was let through in shadow mode."""

    __slots__ = ("_lease_id", "_limiter", "_rate", "_state", "reserved_tokens")

    def __init__(
        self, limiter: LocalRateLimiter, state: TenantState | None, lease_id: str, tokens: int, rate: int
    ) -> None:
        """`rate` is in tokens per minute, 0 for none."""
        self.reserved_tokens = tokens
        self._limiter: LocalRateLimiter | None = limiter
        self._state = state
        self._lease_id = lease_id
        self._rate = rate

    async def settle(self, actual_tokens: int | None) -> None:
        limiter, self._limiter = self._limiter, None
        if limiter is None:
            return
        if actual_tokens is not None and self.reserved_tokens:
            limiter.observer.tokens_reserved_ratio(actual_tokens / self.reserved_tokens)
        if self._state is not None:
            metered = actual_tokens is not None and self._rate
            actual = tokens_us(actual_tokens or 0, self._rate, limiter.replicas) if metered else None
            self._state.settle(limiter.now(), self._lease_id, actual)


class LocalRateLimiter:
    """See `RateLimiter`. With `shadow` nothing is refused, only counted."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        lease_seconds: float = 300.0,
        replicas: int = 1,
        shadow: bool = False,
        observer: Observer,
    ) -> None:
        """`clock` is in seconds; `lease_seconds` must exceed the longest generation; `replicas` is among how
        many processes the limits are split.
        """
        self.observer = observer
        self.replicas = replicas
        self._clock = clock
        self._lease_us = round(lease_seconds * MICROSECONDS)
        self._shadow = shadow
        self._tenants: dict[str, TenantState] = {}
        self._sweep_at = SWEEP_AT
        self._leases = 0

    def now(self) -> int:
        return int(self._clock() * MICROSECONDS)

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def reserve(self, tenant_id: str, limits: TenantLimits, *, tokens: int) -> LocalQuotaLease:
        return self.take(tenant_id, limits, tokens)

    def take(self, tenant_id: str, limits: TenantLimits, tokens: int, *, outage: str = "") -> LocalQuotaLease:
        """`reserve` without a coroutine; `outage` is why this process decides alone, "" when it should."""
        demand = Demand.of(limits, tokens, replicas=self.replicas)
        self._leases += 1
        lease_id = str(self._leases)
        error = never_fits(limits, demand, tokens)
        if error is None:
            state = self._tenants.get(tenant_id) or self._admit(tenant_id)
            waits = state.reserve(self.now(), demand, lease_id, self._lease_us)
            if waits.granted:
                self.observer.rate_limit_decision("degraded" if outage else "allowed", outage)
                return LocalQuotaLease(self, state, lease_id, tokens, limits.tokens_per_minute)
            refused = refusal(limits, waits)
            if not self._shadow:
                self.observer.rate_limit_decision("denied", refused.reason)
                raise refused
            self.observer.rate_limit_decision("shadow_denied", refused.reason)
        elif self._shadow:
            self.observer.rate_limit_decision("shadow_denied", REQUEST_EXCEEDS_QUOTA)
        else:
            self.observer.rate_limit_decision("denied", REQUEST_EXCEEDS_QUOTA)
            raise error
        return LocalQuotaLease(self, None, lease_id, tokens, limits.tokens_per_minute)

    async def status(self) -> ComponentStatus:
        details = {"tenants": str(len(self._tenants)), "shadow": str(self._shadow).lower()}
        return ComponentStatus("rate_limiter", ComponentState.OK, "local", details)

    async def close(self) -> None:
        """Nothing to stop."""

    def _admit(self, tenant_id: str) -> TenantState:
        if len(self._tenants) >= self._sweep_at:
            now = self.now()
            self._tenants = {name: state for name, state in self._tenants.items() if not state.idle(now)}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._tenants))
        state = self._tenants[tenant_id] = TenantState()
        return state
