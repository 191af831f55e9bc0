"""More callers at once than connections to Redis: they wait their turn, and nobody calls that an outage.

With a client whose commands go one by one, as in a Cluster: together they would need one connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from scriptgen.coordination import redis_link
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.coordination.redis_limiter import RESERVE, RedisQuotaLease, RedisRateLimiter
from scriptgen.coordination.redis_lock import ACQUIRE, RedisSessionLock
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import ResourceExhaustedError, StoreUnavailableError
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionKey
from scriptgen.stores.redis import RedisBackend, backend
from scriptgen.stores.redis.backend import Client
from scriptgen.stores.redis.connect import connect
from tests.proxy import FaultProxy
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.faults

CONNECTIONS = 8
#: There and back takes 60 ms: 80 calls over 8 connections need 0.6 s, more than one call may take.
DELAY = 0.03
CALLS = 80
LIMITS = TenantLimits(qps=10_000, tokens_per_minute=0, concurrent=0)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[tuple[Client, FaultProxy, ValkeyServer]]:
    with valkey_server(tmp_path, tcp=True) as server:
        async with FaultProxy("127.0.0.1", server.port) as proxy:
            pool = connect(f"redis://127.0.0.1:{proxy.port}/0", max_connections=CONNECTIONS)
            assert isinstance(pool, Redis)
            client = Redis(connection_pool=pool.connection_pool)
            for text in (ACQUIRE.text, RESERVE.text):
                await client.script_load(text)
            await asyncio.gather(*(client.ping() for _ in range(CONNECTIONS)))
            yield client, proxy, server
            await client.aclose()
            await pool.aclose()


@pytest.mark.parametrize("bounded", [True, False])
async def test_a_burst_on_the_session_lock_is_no_outage(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch, *, bounded: bool
) -> None:
    monkeypatch.setattr(redis_link, "MAX_CALLS", CONNECTIONS - 1 if bounded else CALLS)
    client, proxy, _ = slow
    lock = RedisSessionLock(client, observer=Observer())
    await lock.start()
    proxy.delay(DELAY)
    leases = await asyncio.gather(*(lock.acquire(SessionKey("t", f"s{n}"), timeout=8) for n in range(CALLS)))
    state = (await lock.status()).state
    proxy.delay(0)
    await asyncio.gather(*(lease.release() for lease in leases))
    await lock.close()
    assert (state is ComponentState.OK) is bounded
    assert any(lease.degraded for lease in leases) is not bounded


async def test_a_burst_on_the_limiter_is_no_outage(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "MAX_CALLS", CONNECTIONS)
    client, proxy, _ = slow
    limiter = RedisRateLimiter(client, observer=Observer())
    await limiter.start()
    proxy.delay(DELAY)
    leases = await asyncio.gather(*(limiter.reserve("t", LIMITS, tokens=0) for _ in range(CALLS)))
    assert (await limiter.status()).state is ComponentState.OK
    assert all(isinstance(lease, RedisQuotaLease) for lease in leases)
    proxy.delay(0)
    await limiter.close()


async def test_a_burst_beyond_what_gets_through_is_refused_as_overload(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "MAX_CALLS", 2)
    client, proxy, _ = slow
    limiter = RedisRateLimiter(client, observer=Observer())
    await limiter.start()
    proxy.delay(DELAY)
    answers = await asyncio.gather(
        *(limiter.reserve("t", LIMITS, tokens=0) for _ in range(CALLS)), return_exceptions=True
    )
    refused = [answer for answer in answers if isinstance(answer, ResourceExhaustedError)]
    assert refused
    assert {error.reason for error in refused} == {"QUEUE_FULL"}
    assert len(refused) + sum(isinstance(answer, RedisQuotaLease) for answer in answers) == CALLS
    assert (await limiter.status()).state is ComponentState.OK
    proxy.delay(0)
    await limiter.close()


async def test_those_who_wait_for_a_hanging_redis_wait_once_together(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_link, "MAX_CALLS", CONNECTIONS)
    client, _, server = slow
    lock = RedisSessionLock(client, observer=Observer())
    await lock.start()
    server.freeze()
    began = asyncio.get_running_loop().time()
    leases = await asyncio.gather(*(lock.acquire(SessionKey("t", f"s{n}"), timeout=8) for n in range(CALLS)))
    took = asyncio.get_running_loop().time() - began
    assert all(lease.degraded for lease in leases)
    assert took < 1.2  # one bound of 0.5 s, not one for each eight
    server.thaw()
    await asyncio.gather(*(lease.release() for lease in leases))
    await lock.close()


@pytest.mark.parametrize("bounded", [True, False])
async def test_a_burst_on_the_stores_is_no_outage(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch, *, bounded: bool
) -> None:
    monkeypatch.setattr(backend, "MAX_CALLS", CONNECTIONS if bounded else CALLS)
    client, proxy, _ = slow
    redis = RedisBackend(client)
    await redis.command("PING")
    proxy.delay(DELAY)
    answers = await asyncio.gather(
        *(redis.command("INCR", f"n{n}") for n in range(CALLS)), return_exceptions=True
    )
    assert any(isinstance(answer, StoreUnavailableError) for answer in answers) is not bounded
    proxy.delay(0)


async def test_a_burst_that_is_pipelined_needs_no_places(
    slow: tuple[Client, FaultProxy, ValkeyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "MAX_CALLS", CALLS)
    _, proxy, _ = slow
    redis = RedisBackend(connect(f"redis://127.0.0.1:{proxy.port}/0", max_connections=1))
    await redis.command("PING")
    proxy.delay(DELAY)
    answers = await asyncio.gather(*(redis.command("INCR", "n") for _ in range(CALLS)))
    assert answers == list(range(1, CALLS + 1))
    proxy.delay(0)
    await redis.close()
