"""The rate limiter of a service whose limits are switched off (CORE_RATE_LIMIT_ENABLED=false)."""

from __future__ import annotations

from scriptgen.domain.component import ComponentState, ComponentStatus

from .protocols import TenantLimits


class UnlimitedLease:
    """Reserves nothing, settles nothing."""

    reserved_tokens = 0

    async def settle(self, actual_tokens: int | None) -> None:
        del actual_tokens


class UnlimitedRateLimiter:
    """Grants everything at once."""

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def reserve(self, tenant_id: str, limits: TenantLimits, *, tokens: int) -> UnlimitedLease:
        del tenant_id, limits, tokens
        return UnlimitedLease()

    async def status(self) -> ComponentStatus:
        return ComponentStatus("rate_limiter", ComponentState.OK, "off")

    async def close(self) -> None:
        """Holds nothing."""
