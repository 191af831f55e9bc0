"""Reserves a tenant's quota before the work and gives back what was not used.

The counting is in `coordination`; a generation that takes the grant over settles with its real usage itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from scriptgen.coordination.protocols import RateLimiter, TenantLimits
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.identity import Principal

from .call import Call
from .chain import Interceptor
from .methods import CHARGED

#: Reserved for RecognizeIntent, which mostly costs nothing and sometimes one small model call.
INTENT_TOKENS = 200


class QuotaInterceptor(Interceptor):
    name: ClassVar[str] = "quota"

    def __init__(
        self, limiter: RateLimiter, defaults: TenantLimits, estimate: Callable[[GenerationRequest], int]
    ) -> None:
        """`estimate` gives the tokens that a generation will probably use."""
        self._limiter = limiter
        self._defaults = defaults
        self._estimate = estimate

    def applies_to(self, method: str) -> bool:
        return method in CHARGED

    async def enter(self, call: Call) -> None:
        tokens = INTENT_TOKENS if call.generation is None else self._estimate(call.generation)
        call.grant.quota = await self._limiter.reserve(
            call.principal.tenant_id, limits_of(call.principal, self._defaults), tokens=tokens
        )

    async def leave(self, call: Call, error: BaseException | None) -> None:  # noqa: ARG002
        # Only the first settling counts: a servicer that used tokens itself has settled already.
        if not call.grant.taken and call.grant.quota is not None:
            await call.grant.quota.settle(0)


def limits_of(principal: Principal, defaults: TenantLimits) -> TenantLimits:
    """The credential's own limits where it has some, else the service's."""
    if (
        principal.qps is None
        and principal.tokens_per_minute is None
        and principal.concurrent_generations is None
    ):
        return defaults
    return TenantLimits(
        qps=defaults.qps if principal.qps is None else principal.qps,
        tokens_per_minute=(
            defaults.tokens_per_minute if principal.tokens_per_minute is None else principal.tokens_per_minute
        ),
        concurrent=(
            defaults.concurrent
            if principal.concurrent_generations is None
            else principal.concurrent_generations
        ),
    )
