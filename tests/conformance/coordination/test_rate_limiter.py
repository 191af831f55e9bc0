"""What every rate limiter does. The limits are slow (a token a second), so a few milliseconds change nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from scriptgen.coordination.local_limiter import LocalRateLimiter
from scriptgen.coordination.protocols import QuotaLease, RateLimiter, TenantLimits
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import FailedPreconditionError, ResourceExhaustedError
from tests.conformance.coordination.support import Recorder, client, redis_limiter
from tests.valkey import ValkeyServer

OFF = TenantLimits(qps=0, tokens_per_minute=0, concurrent=0)
# One token a second, a burst of 100: 6000 a minute would be a burst of 1500.
SLOW_TOKENS = TenantLimits(qps=0, tokens_per_minute=60, concurrent=0)
BURST = 15
Factory = Callable[..., AbstractAsyncContextManager[RateLimiter]]


@pytest.fixture
def observer() -> Recorder:
    return Recorder()


@pytest.fixture(params=["local", "server", "cluster"])
def make(request: pytest.FixtureRequest, observer: Recorder) -> Factory:
    """Makes limiters: in this process, over one Redis server, over a Redis Cluster."""

    @contextlib.asynccontextmanager
    async def local(**options: Any) -> AsyncIterator[RateLimiter]:
        yield LocalRateLimiter(observer=observer, **options)

    if request.param == "local":
        return local
    server: ValkeyServer = request.getfixturevalue(request.param)

    @contextlib.asynccontextmanager
    async def over_redis(**options: Any) -> AsyncIterator[RateLimiter]:
        async with (
            client(server.url) as redis,
            redis_limiter(redis, observer=observer, **options) as limiter,
        ):
            yield limiter

    return over_redis


async def denied(limiter: RateLimiter, limits: TenantLimits, tokens: int = 0) -> ResourceExhaustedError:
    with pytest.raises(ResourceExhaustedError) as refusal:
        await limiter.reserve("t", limits, tokens=tokens)
    return refusal.value


async def free_tokens(limiter: RateLimiter, at_most: int = BURST) -> int:
    """How many tokens would pass now, one second's worth at a time; takes them."""
    for count in range(at_most):
        try:
            await limiter.reserve("t", SLOW_TOKENS, tokens=1)
        except ResourceExhaustedError:
            return count
    return at_most


async def test_requests_pass_up_to_the_burst_and_the_refusal_names_the_exact_wait(make: Factory) -> None:
    limits = TenantLimits(qps=0.1, tokens_per_minute=0, concurrent=0)
    async with make() as limiter:
        for _ in range(2):
            await limiter.reserve("t", limits, tokens=0)
        refusal = await denied(limiter, limits)
    assert refusal.reason == "QPS_LIMIT_EXCEEDED"
    assert refusal.violation.subject == "qps"
    assert refusal.retry_after == pytest.approx(10, abs=0.5)


async def test_waiting_as_long_as_told_is_enough(make: Factory) -> None:
    limits = TenantLimits(qps=10, tokens_per_minute=0, concurrent=0)
    async with make() as limiter:
        wait = None
        while wait is None:
            try:
                await limiter.reserve("t", limits, tokens=0)
            except ResourceExhaustedError as refusal:
                wait = refusal.retry_after
        assert 0 < wait <= 0.1
        await asyncio.sleep(wait)
        await limiter.reserve("t", limits, tokens=0)


async def test_tokens_pass_up_to_a_quarter_of_the_minute(make: Factory) -> None:
    async with make() as limiter:
        await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)
        refusal = await denied(limiter, SLOW_TOKENS, 5)
    assert refusal.reason == "TOKEN_LIMIT_EXCEEDED"
    assert refusal.violation.subject == "tokens_per_minute"
    assert refusal.retry_after == pytest.approx(5, abs=0.5)


async def test_a_request_larger_than_the_burst_can_never_pass(make: Factory) -> None:
    async with make() as limiter:
        with pytest.raises(FailedPreconditionError) as refusal:
            await limiter.reserve("t", SLOW_TOKENS, tokens=BURST + 1)
        assert refusal.value.reason == "REQUEST_EXCEEDS_QUOTA"
        assert refusal.value.retry_after is None
        await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)


async def test_only_so_many_generations_run_at_a_time(make: Factory) -> None:
    limits = TenantLimits(qps=0, tokens_per_minute=0, concurrent=2)
    async with make() as limiter:
        first = await limiter.reserve("t", limits, tokens=10)
        await limiter.reserve("t", limits, tokens=10)
        refusal = await denied(limiter, limits)
        assert refusal.reason == "CONCURRENCY_LIMIT_EXCEEDED"
        assert refusal.violation.subject == "concurrency"
        await first.settle(None)
        await limiter.reserve("t", limits, tokens=10)


async def test_a_refused_request_costs_nothing_of_any_limit(make: Factory) -> None:
    limits = TenantLimits(qps=0.1, tokens_per_minute=60, concurrent=0)
    async with make() as limiter:
        await limiter.reserve("t", limits, tokens=10)
        for _ in range(5):
            assert (await denied(limiter, limits, 10)).reason == "TOKEN_LIMIT_EXCEEDED"
        await limiter.reserve("t", limits, tokens=5)  # the second request and the last five tokens


async def test_the_limit_that_takes_longest_gives_the_reason(make: Factory) -> None:
    limits = TenantLimits(qps=0.1, tokens_per_minute=60, concurrent=1)
    async with make() as limiter:
        await limiter.reserve("t", limits, tokens=BURST)
        refusal = await denied(limiter, limits, BURST)
    assert refusal.reason == "TOKEN_LIMIT_EXCEEDED"
    assert refusal.retry_after == pytest.approx(15, abs=0.5)


async def test_another_tenant_has_its_own_limits(make: Factory) -> None:
    async with make() as limiter:
        await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)
        await denied(limiter, SLOW_TOKENS, 1)
        await limiter.reserve("u", SLOW_TOKENS, tokens=BURST)
        await limiter.reserve("t}:{u", SLOW_TOKENS, tokens=BURST)


async def test_what_was_used_beyond_the_reservation_becomes_debt(make: Factory) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=5)
        await lease.settle(35)
        refusal = await denied(limiter, SLOW_TOKENS, 1)
    assert refusal.retry_after == pytest.approx(21, abs=0.5), "35 + 1 used, 15 may stand out"


async def test_what_was_not_used_is_refunded_exactly(make: Factory) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=10)
        await lease.settle(3)
        assert await free_tokens(limiter) == 12


async def test_failure_before_anything_was_sent_costs_nothing(make: Factory) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)
        await lease.settle(0)
        await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)


async def test_unknown_use_keeps_the_reservation_charged(make: Factory) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)
        await lease.settle(None)
        await denied(limiter, SLOW_TOKENS, 1)


async def test_settling_twice_counts_once(make: Factory) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=10)
        await lease.settle(4)
        await lease.settle(0)
        await lease.settle(500)
        assert await free_tokens(limiter) == 11


async def test_an_expired_lease_stays_charged_but_no_longer_counts_as_running(make: Factory) -> None:
    limits = TenantLimits(qps=0, tokens_per_minute=60, concurrent=1)
    async with make(lease_seconds=0.1) as limiter:
        lease = await limiter.reserve("t", limits, tokens=10)
        assert (await denied(limiter, limits, 1)).reason == "CONCURRENCY_LIMIT_EXCEEDED"
        await asyncio.sleep(0.12)
        await limiter.reserve("t", limits, tokens=1)
        await lease.settle(0)
        assert await free_tokens(limiter) == 4


async def test_leases_settle_in_any_order(make: Factory) -> None:
    async with make() as limiter:
        leases: list[QuotaLease] = [await limiter.reserve("t", SLOW_TOKENS, tokens=5) for _ in range(3)]
        await leases[2].settle(1)
        await leases[0].settle(2)
        await leases[1].settle(5)
        assert await free_tokens(limiter) == 7


async def test_limits_that_are_off_never_refuse(make: Factory) -> None:
    async with make() as limiter:
        for _ in range(50):
            await (await limiter.reserve("t", OFF, tokens=10**6)).settle(10**7)


async def test_shadow_mode_counts_but_refuses_nothing(make: Factory, observer: Recorder) -> None:
    async with make(shadow=True) as limiter:
        await limiter.reserve("t", SLOW_TOKENS, tokens=BURST)
        over = await limiter.reserve("t", SLOW_TOKENS, tokens=10)
        huge = await limiter.reserve("t", SLOW_TOKENS, tokens=1000)
        await over.settle(10)
        await huge.settle(1000)
    assert observer.decisions == [
        ("allowed", ""),
        ("shadow_denied", "TOKEN_LIMIT_EXCEEDED"),
        ("shadow_denied", "REQUEST_EXCEEDS_QUOTA"),
    ]


async def test_decisions_and_the_reserved_ratio_are_reported(make: Factory, observer: Recorder) -> None:
    async with make() as limiter:
        lease = await limiter.reserve("t", SLOW_TOKENS, tokens=10)
        await denied(limiter, SLOW_TOKENS, 10)
        await lease.settle(5)
        await lease.settle(5)
    assert observer.decisions == [("allowed", ""), ("denied", "TOKEN_LIMIT_EXCEEDED")]
    assert observer.ratios == [0.5]


async def test_status_names_the_component(make: Factory) -> None:
    async with make() as limiter:
        status = await limiter.status()
    assert (status.name, status.state) == ("rate_limiter", ComponentState.OK)
