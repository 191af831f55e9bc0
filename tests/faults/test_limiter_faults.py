"""The rate limiter while Redis is killed, restarted empty, frozen, slow or losing replies."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptgen.coordination.keys import limit_keys, tenant_tag
from scriptgen.coordination.local_limiter import LocalQuotaLease
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.coordination.redis_limiter import RedisQuotaLease, RedisRateLimiter
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import ResourceExhaustedError, StoreUnavailableError
from tests.conformance.coordination.support import PRODUCTION, Recorder, client, eventually, redis_limiter
from tests.proxy import FaultProxy
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.faults

STATE, LEASES = limit_keys(tenant_tag("t"))
# One token a second, 15 of burst.
SLOW = TenantLimits(qps=0, tokens_per_minute=60, concurrent=0)
BLOCKED = 1.0
BACK = 5.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path, tcp=True) as running:
        yield running


@contextlib.asynccontextmanager
async def limiter_over(port: int, **options: Any) -> AsyncIterator[tuple[RedisRateLimiter, RedisClient]]:
    """A limiter with the times of production."""
    settings = PRODUCTION | options
    async with (
        client(f"redis://127.0.0.1:{port}/0", 0.5) as redis,
        redis_limiter(redis, **settings) as limiter,
    ):
        yield limiter, redis


async def back(limiter: RedisRateLimiter) -> None:
    async def ok() -> bool:
        return (await limiter.status()).state is ComponentState.OK and not limiter._link.doubts

    await eventually(ok, BACK + 3)


async def free_tokens(limiter: RedisRateLimiter) -> int:
    for count in range(100):
        try:
            await limiter.reserve("t", SLOW, tokens=1)
        except ResourceExhaustedError:
            return count
    return 100


@pytest.mark.parametrize("fault", ["killed", "frozen", "black hole"])
async def test_each_process_limits_its_share_while_redis_is_away(server: ValkeyServer, fault: str) -> None:
    observer, loop = Recorder(), asyncio.get_running_loop()
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        limiter_over(proxy.port, replicas=3, observer=observer) as (limiter, _),
    ):
        begin = {"killed": server.kill, "frozen": server.freeze, "black hole": proxy.black_hole}
        end = {"killed": server.restart, "frozen": server.thaw, "black hole": proxy.heal}
        begin[fault]()
        slowest, granted = 0.0, 0
        for _ in range(20):
            began = loop.time()
            with contextlib.suppress(ResourceExhaustedError):
                lease = await limiter.reserve("t", SLOW, tokens=1)
                assert isinstance(lease, LocalQuotaLease)
                granted += 1
            slowest = max(slowest, loop.time() - began)
        assert slowest < BLOCKED
        assert granted == 5, "a third of 15"
        assert ("degraded", "redis_unavailable") in observer.decisions
        status = await limiter.status()
        assert (status.state, status.backend) == (ComponentState.DEGRADED, "local")
        began = loop.time()
        end[fault]()
        await back(limiter)
        assert loop.time() - began < BACK + 3
        assert isinstance(await limiter.reserve("t", SLOW, tokens=1), RedisQuotaLease)


async def test_a_lease_taken_during_the_outage_settles_in_this_process(server: ValkeyServer) -> None:
    async with limiter_over(server.port) as (limiter, redis):
        server.kill()
        lease = await limiter.reserve("t", SLOW, tokens=10)
        server.restart()
        await back(limiter)
        await lease.settle(0)
        assert not await redis.exists(STATE)


async def test_a_settlement_during_an_outage_is_made_up_for_when_redis_is_back(server: ValkeyServer) -> None:
    loop = asyncio.get_running_loop()
    async with limiter_over(server.port) as (limiter, redis):
        lease = await limiter.reserve("t", SLOW, tokens=15)
        server.freeze()
        began = loop.time()
        await lease.settle(0)
        assert loop.time() - began < BLOCKED
        server.thaw()
        await back(limiter)
        assert await redis.zcard(LEASES) == 0
        assert await free_tokens(limiter) == 15


async def test_a_settlement_that_never_comes_leaves_the_reservation_charged(server: ValkeyServer) -> None:
    async with client(server.url) as redis:
        async with redis_limiter(redis, **PRODUCTION) as limiter:
            lease = await limiter.reserve("t", SLOW, tokens=15)
            server.freeze()
            await lease.settle(0)
        server.thaw()
        # The frozen server may still find the settlement in its socket buffer; then it counts, once.
        async with redis_limiter(redis) as again:
            assert await free_tokens(again) in {0, 15}


async def test_a_reservation_that_a_frozen_server_applied_late_is_given_back(server: ValkeyServer) -> None:
    """Its caller was served locally; nobody else would ever settle it, and it would count as running."""
    limits = TenantLimits(qps=0, tokens_per_minute=60, concurrent=1)
    async with limiter_over(server.port) as (limiter, redis):
        await (await limiter.reserve("u", limits, tokens=1)).settle(1)
        server.freeze()
        await limiter.reserve("t", limits, tokens=10)
        server.thaw()

        async def applied() -> bool:
            return bool(await redis.zcard(LEASES) == 1)

        await eventually(applied)
        await back(limiter)
        assert await redis.zcard(LEASES) == 0
        await limiter.reserve("t", limits, tokens=15)


async def test_a_lost_reply_to_a_reservation_charges_once(server: ValkeyServer) -> None:
    async with FaultProxy("127.0.0.1", server.port) as proxy, limiter_over(proxy.port) as (limiter, _):
        await limiter.reserve("u", SLOW, tokens=1)
        proxy.cut_after_reply_bytes(0)
        lease = await limiter.reserve("t", SLOW, tokens=10)
        assert isinstance(lease, RedisQuotaLease)
        proxy.cut_after_reply_bytes(0)
        await lease.settle(8)
        assert await free_tokens(limiter) == 7


async def test_a_restart_that_lost_all_data_gives_one_burst_and_no_error(server: ValkeyServer) -> None:
    async with limiter_over(server.port) as (limiter, _):
        lease = await limiter.reserve("t", SLOW, tokens=15)
        server.restart()
        await lease.settle(0)
        await back(limiter)
        assert await free_tokens(limiter) == 15


async def test_a_cancelled_reservation_leaves_no_lease_and_no_charge(server: ValkeyServer) -> None:
    async with limiter_over(server.port) as (limiter, redis):
        await (await limiter.reserve("u", SLOW, tokens=1)).settle(0)
        before = len(asyncio.all_tasks())
        for steps in range(24):
            task = asyncio.create_task(limiter.reserve("t", SLOW, tokens=15))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).settle(0)

            async def clean() -> bool:
                return len(asyncio.all_tasks()) <= before

            await eventually(clean)
            assert await redis.zcard(LEASES) == 0
        assert await free_tokens(limiter) == 15


async def test_a_settlement_that_is_cancelled_still_happens(server: ValkeyServer) -> None:
    async with limiter_over(server.port) as (limiter, redis):
        lease = await limiter.reserve("t", SLOW, tokens=15)
        settling = asyncio.create_task(lease.settle(0))
        await asyncio.sleep(0)
        settling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await settling

        async def settled() -> bool:
            return bool(await redis.zcard(LEASES) == 0)

        await eventually(settled)
        await limiter.reserve("t", SLOW, tokens=15)


async def test_wrong_credentials_are_down_not_degraded(server: ValkeyServer) -> None:
    async with FaultProxy("127.0.0.1", server.port) as proxy, limiter_over(proxy.port) as (limiter, _):
        await limiter.reserve("t", SLOW, tokens=1)
        server.command("CONFIG", "SET", "requirepass", "secret")
        proxy.cut()
        with pytest.raises(StoreUnavailableError):
            await limiter.reserve("t", SLOW, tokens=1)
        assert (await limiter.status()).state is ComponentState.DOWN


async def test_waits_stay_bounded_when_a_failover_moves_the_clock_back(server: ValkeyServer) -> None:
    """A replica whose clock is an hour behind takes over: its stored times lie an hour ahead."""
    hour = 3_600_000_000
    async with limiter_over(server.port) as (limiter, redis):
        await limiter.reserve("t", SLOW, tokens=15)
        for field in ("now", "tokens"):
            await redis.hincrby(STATE, field, hour)
        with pytest.raises(ResourceExhaustedError) as refusal:
            await limiter.reserve("t", SLOW, tokens=1)
        assert refusal.value.retry_after is not None
        assert refusal.value.retry_after <= 1.0
