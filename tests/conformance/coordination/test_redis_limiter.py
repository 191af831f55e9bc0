"""What only the limiter over Redis does: one script that equals the reference, one round trip, the clock."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from scriptgen.coordination.gcra import CONCURRENCY_RETRY_US, LOG_LIMIT, Demand, TenantState, Waits
from scriptgen.coordination.keys import limit_keys, tenant_tag
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.coordination.redis_limiter import RESERVE, SETTLE
from tests.conformance.coordination.support import plain_client, redis_limiter
from tests.valkey import ValkeyServer

KEYS = limit_keys(tenant_tag("t"))
FAST = TenantLimits(qps=4000, tokens_per_minute=60_000_000, concurrent=6)


async def reserve(redis: Redis, demand: Demand, lease_id: str, lease_us: int, log: int) -> tuple[Waits, int]:
    arguments: list[str | int] = [
        lease_id,
        demand.request_us,
        demand.request_burst_us,
        demand.tokens_us,
        demand.tokens_burst_us,
        demand.concurrent,
        lease_us,
        log,
        CONCURRENCY_RETRY_US,
    ]
    request, tokens, concurrency, now = await redis.eval(RESERVE.text, 2, *KEYS, *arguments)
    return Waits(request, tokens, concurrency), now


@pytest.mark.parametrize(("seed", "log"), [(1, LOG_LIMIT), (2, LOG_LIMIT), (3, 3), (4, 3)])
async def test_the_scripts_decide_exactly_as_the_reference(
    server: ValkeyServer, monkeypatch: pytest.MonkeyPatch, seed: int, log: int
) -> None:
    """1,500 random steps; the reference is told the server's time of each. Leases last 4 ms, some expire."""
    monkeypatch.setattr("scriptgen.coordination.gcra.LOG_LIMIT", log)
    chance = random.Random(seed)
    reference = TenantState()
    lease_us = 4000
    open_leases: list[str] = []
    outcomes: set[str] = set()
    async with plain_client(server.url) as redis:
        for step in range(1500):
            if chance.random() < 0.6 or not open_leases:
                # About 1000 tokens a ms pass, a burst lasts 15 ms of the reservation's own time.
                demand = Demand(200, 500, chance.randrange(1500), 3000, 6)
                repeat = bool(open_leases) and chance.random() < 0.1
                lease_id = chance.choice(open_leases) if repeat else f"lease{step}"
                waits, now = await reserve(redis, demand, lease_id, lease_us, log)
                assert reference.reserve(now, demand, lease_id, lease_us) == waits, step
                outcomes.add("granted" if waits.granted else "denied")
                if waits.granted and lease_id not in open_leases:
                    open_leases.append(lease_id)
            else:
                lease_id = open_leases.pop(chance.randrange(len(open_leases)))
                actual = chance.choice((None, 0, chance.randrange(1500), chance.randrange(3000)))
                found, now = await redis.eval(
                    SETTLE.text, 2, *KEYS, lease_id, "" if actual is None else actual, log
                )
                assert reference.settle(now, lease_id, actual) == bool(found), step
                outcomes.add("settled" if found else "gone")
            tokens = float(await redis.hget(KEYS[0], "tokens") or 0)
            # Empty is empty: the script need not have written it.
            assert max(0, tokens - now) == max(0, reference._tokens_tat - now), step
    assert outcomes == {"granted", "denied", "settled", "gone"}


async def test_a_decision_and_a_settlement_are_one_round_trip_each(server: ValkeyServer) -> None:
    async with plain_client(server.url) as redis, redis_limiter(redis) as limiter:
        await (await limiter.reserve("t", FAST, tokens=10)).settle(5)
        before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        for _ in range(10):
            await (await limiter.reserve("t", FAST, tokens=10)).settle(5)
        after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before == 20


async def test_when_the_servers_clock_is_set_back_no_wait_grows(server: ValkeyServer) -> None:
    """The stored times are moved an hour ahead: to the script that is a clock set back by an hour."""
    hour = 3_600_000_000
    demand = Demand(0, 0, 1_000_000, 15_000_000, 1)
    async with plain_client(server.url) as redis:
        _, now = await reserve(redis, demand, "a", 60_000_000, LOG_LIMIT)
        ahead: dict[Any, Any] = {"now": now + hour, "tokens": now + 15_000_000 + hour}
        await redis.hset(KEYS[0], mapping=ahead)
        await redis.zincrby(KEYS[1], hour, "a")
        naive = ahead["tokens"] + demand.tokens_us - demand.tokens_burst_us - now
        assert naive > hour, "without the correction the tenant would wait for an hour"
        waits, _ = await reserve(redis, demand, "b", 60_000_000, LOG_LIMIT)
        assert waits.tokens_us == pytest.approx(1_000_000, abs=200_000)
        assert await redis.zscore(KEYS[1], "a") == pytest.approx(now + 60_000_000, abs=500_000)
        found, _ = await redis.eval(SETTLE.text, 2, *KEYS, "a", 0, LOG_LIMIT)
        assert found == 1


async def test_an_idle_tenant_leaves_nothing_for_ever(server: ValkeyServer) -> None:
    async with plain_client(server.url) as redis, redis_limiter(redis, lease_seconds=1) as limiter:
        lease = await limiter.reserve("t", FAST, tokens=10)
        assert all(0 < ttl < 120_000 for ttl in [await redis.pttl(key) for key in KEYS])
        await lease.settle(10)
        fields: list[Any] = await redis.hkeys(KEYS[0])
        assert not [field for field in fields if field.startswith(b"l:")]
        assert not await redis.exists(KEYS[1])


async def test_the_scripts_come_back_after_the_servers_cache_was_flushed(server: ValkeyServer) -> None:
    async with plain_client(server.url) as redis, redis_limiter(redis) as limiter:
        await limiter.reserve("t", FAST, tokens=10)
        server.command("SCRIPT", "FLUSH")
        await limiter.reserve("t", FAST, tokens=10)
        assert (await limiter.status()).backend == "redis"


def test_every_script_says_what_it_takes_and_returns() -> None:
    folder = Path(__file__).parents[3] / "src/scriptgen/coordination/lua"
    scripts = sorted(folder.glob("*.lua"))
    assert len(scripts) == 6
    for script in scripts:
        header = script.read_text("utf-8").split("\nlocal ")[0]
        assert all(word in header for word in ("KEYS", "ARGV", "Returns")), script.name
