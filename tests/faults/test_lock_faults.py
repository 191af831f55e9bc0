"""The session lock while Redis is killed, restarted empty, frozen, slow or losing replies.

No call is blocked longer than a second, nothing is reported lost that is not, and Redis is used again within
five seconds of its return, without traffic.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import RedisError

from scriptgen.coordination.keys import session_tag
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.coordination.redis_lock import RedisSessionLock
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import SessionBusyError, StoreUnavailableError
from scriptgen.domain.session import SessionKey
from tests.conformance.coordination.support import (
    KEY,
    PRODUCTION,
    Recorder,
    client,
    eventually,
    plain_client,
    redis_lock,
)
from tests.proxy import FaultProxy
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.faults

LOCK_KEY = f"scriptgen:lock:{session_tag(KEY)}"
BLOCKED = 1.0
BACK = 5.0


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ValkeyServer]:
    with valkey_server(tmp_path, tcp=True) as running:
        yield running


@contextlib.asynccontextmanager
async def lock_over(port: int, **options: Any) -> AsyncIterator[tuple[RedisSessionLock, RedisClient]]:
    """A lock with the times of production."""
    settings = PRODUCTION | options
    async with client(f"redis://127.0.0.1:{port}/0", 0.5) as redis, redis_lock(redis, **settings) as lock:
        yield lock, redis


async def turn(lock: RedisSessionLock, key: SessionKey = KEY) -> float:
    """One acquire and release; the longest of the two calls in seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    lease = await lock.acquire(key, timeout=3)
    taken = loop.time()
    await lease.release()
    return max(taken - began, loop.time() - taken)


async def state_is(lock: RedisSessionLock, state: ComponentState, within: float) -> float:
    async def reached() -> bool:
        return (await lock.status()).state is state

    return await eventually(reached, within)


@pytest.mark.parametrize("fault", ["killed", "frozen", "black hole", "refused"])
async def test_turns_go_on_while_redis_is_away_and_return_to_it_without_traffic(
    server: ValkeyServer, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "scriptgen.coordination")
    observer = Recorder()
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        lock_over(proxy.port, observer=observer) as (lock, _),
    ):
        await turn(lock)
        held = await lock.acquire(SessionKey("t1", "held"), timeout=1)
        begin = {
            "killed": server.kill,
            "frozen": server.freeze,
            "black hole": proxy.black_hole,
            "refused": proxy.refuse,
        }
        end = {
            "killed": server.restart,
            "frozen": server.thaw,
            "black hole": proxy.heal,
            "refused": proxy.heal,
        }
        begin[fault]()
        slowest = max([await turn(lock) for _ in range(8)])
        assert slowest < BLOCKED
        status = await lock.status()
        assert (status.state, status.backend) == (ComponentState.DEGRADED, "local")
        # The breaker is open: nothing waits for Redis any more.
        assert await turn(lock) < 0.1
        end[fault]()
        await state_is(lock, ComponentState.OK, within=BACK)
        assert not held.lost.is_set()
        await held.release()
        assert await turn(lock) < BLOCKED
    assert observer.degraded == [True, False]
    changes = [record for record in caplog.records if record.getMessage().startswith("session lock: Redis")]
    assert len(changes) == 2, "one line for each change of state"


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_a_cluster_that_is_away_is_survived_as_well(tmp_path: Path, fault: str) -> None:
    with valkey_server(tmp_path, cluster=True) as cluster:
        async with client(cluster.url, 0.5) as redis, redis_lock(redis, **PRODUCTION) as lock:
            await state_is(lock, ComponentState.OK, within=BACK)
            await turn(lock)
            (cluster.kill if fault == "killed" else cluster.freeze)()
            assert max([await turn(lock) for _ in range(8)]) < BLOCKED
            assert (await lock.status()).state is ComponentState.DEGRADED
            (cluster.restart if fault == "killed" else cluster.thaw)()
            await state_is(lock, ComponentState.OK, within=BACK)
            lease = await lock.acquire(KEY, timeout=1)
            assert not lease.degraded
            await lease.release()


@pytest.mark.parametrize("degrade", ["local", "reject"])
async def test_what_a_frozen_server_applied_late_does_not_block_the_session(
    server: ValkeyServer, degrade: str
) -> None:
    """The ACQUIRE of a caller that has long been answered lies in the server's socket buffer."""
    async with (
        lock_over(server.port, degrade=degrade) as (lock, redis),
        client(server.url) as other,
    ):
        await turn(lock)
        server.freeze()
        if degrade == "local":
            await turn(lock)
        else:
            with pytest.raises(StoreUnavailableError):
                await turn(lock)
        server.thaw()
        await eventually(lambda: exists(redis))
        assert await redis.pttl(LOCK_KEY) > 20_000, "nobody would release it for a whole lease"
        async with redis_lock(other) as elsewhere, asyncio.timeout(BACK):
            await turn(elsewhere)


async def test_a_held_lease_survives_a_restart_that_lost_all_data(server: ValkeyServer) -> None:
    async with lock_over(server.port, lease_seconds=6.0) as (lock, redis):
        held = await lock.acquire(KEY, timeout=1)
        server.restart()

        async def taken_again() -> bool:
            with contextlib.suppress(RedisError):
                return bool(await redis.get(LOCK_KEY) == held.token.encode())
            return False

        await eventually(taken_again, within=4)
        assert not held.lost.is_set()
        await held.release()
        assert not await redis.exists(LOCK_KEY)


async def test_a_slow_redis_is_used_as_long_as_it_answers_in_time(server: ValkeyServer) -> None:
    async with FaultProxy("127.0.0.1", server.port) as proxy, lock_over(proxy.port) as (lock, _):
        proxy.delay(0.1)
        assert await turn(lock) < BLOCKED
        assert (await lock.status()).state is ComponentState.OK
        proxy.delay(0.4)
        assert max([await turn(lock) for _ in range(3)]) < BLOCKED
        assert (await lock.status()).state is ComponentState.DEGRADED
        proxy.heal()
        await state_is(lock, ComponentState.OK, within=BACK)


async def test_a_lost_reply_to_the_acquire_is_repeated_and_wins(server: ValkeyServer) -> None:
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        lock_over(proxy.port) as (lock, _),
        plain_client(server.url) as direct,
    ):
        await turn(lock)
        # Protection off: blind SET NX cannot tell its own success from somebody else's.
        async with plain_client(f"redis://127.0.0.1:{proxy.port}/0") as naive:
            await naive.ping()
            proxy.cut_after_reply_bytes(0)
            with pytest.raises(ConnectionError):
                await naive_acquire(naive, "naive", "mine")
            assert await direct.get("naive") == b"mine", "it was applied"
            assert not await naive_acquire(naive, "naive", "mine"), "and yet refused"
        await turn(lock)
        proxy.cut_after_reply_bytes(0)
        lease = await lock.acquire(KEY, timeout=1)
        assert not lease.degraded
        assert await direct.get(LOCK_KEY) == lease.token.encode()
        proxy.cut_after_reply_bytes(0)
        await lease.release()
        assert not await direct.exists(LOCK_KEY)


async def test_a_lost_reply_to_an_attempt_is_repeated_and_wins(server: ValkeyServer) -> None:
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        lock_over(proxy.port) as (lock, _),
        plain_client(server.url) as direct,
    ):
        await turn(lock)
        proxy.cut_after_reply_bytes(0)
        lease = await lock.attempt(KEY)
        assert lease is not None
        assert not lease.degraded
        assert await direct.get(LOCK_KEY) == lease.token.encode()
        await lease.release()
        assert not await direct.exists(LOCK_KEY)


@pytest.mark.parametrize("abandoned", [False, True])
async def test_an_attempt_that_redis_swallows_ends_in_time_and_is_given_back_later(
    server: ValkeyServer, abandoned: bool
) -> None:
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        lock_over(proxy.port) as (lock, _),
        plain_client(server.url) as direct,
    ):
        await turn(lock)
        server.freeze()
        attempt = lock.attempt(KEY)
        async with asyncio.timeout(BLOCKED):
            if abandoned:
                lock.abandon(attempt)
            lease = await attempt
        assert lease is not None
        assert lease.degraded
        if not abandoned:
            assert await lock.attempt(KEY) is None, "the turn in this process is taken"
            await lease.release()
        server.thaw()

        async def free() -> bool:
            return (await lock.status()).details["held"] == "0" and not await exists(direct)

        # What the server finds in its buffers when it goes on is undone by the watcher.
        await eventually(free, within=BACK + 3)


async def exists(redis: RedisClient) -> bool:
    return bool(await redis.exists(LOCK_KEY) == 1)


async def naive_acquire(redis: RedisClient, name: str, token: str) -> bool:
    try:
        return bool(await redis.set(name, token, nx=True, px=30_000))
    except RedisError as error:
        raise ConnectionError from error


async def test_a_holder_that_cannot_renew_is_told_before_its_lease_ends(server: ValkeyServer) -> None:
    loop = asyncio.get_running_loop()
    async with lock_over(server.port, lease_seconds=2.0) as (lock, _):
        began = loop.time()
        lease = await lock.acquire(KEY, timeout=1)
        server.freeze()
        async with asyncio.timeout(3):
            await lease.lost.wait()
        assert 1.5 < loop.time() - began < 2.0, "at 0.8 of the lease"
        server.thaw()
        await lease.release()


async def test_a_short_freeze_is_not_a_lost_lease(server: ValkeyServer) -> None:
    async with lock_over(server.port, lease_seconds=4.0) as (lock, _):
        lease = await lock.acquire(KEY, timeout=1)
        await asyncio.sleep(1.2)
        server.freeze()
        await asyncio.sleep(1.2)
        server.thaw()
        await asyncio.sleep(2.5)
        assert not lease.lost.is_set(), "renewed after the freeze, past its first term"
        await lease.release()


async def test_waiting_for_another_process_ends_when_redis_dies(server: ValkeyServer) -> None:
    async with lock_over(server.port) as (here, redis), lock_over(server.port) as (there, _):
        held = await here.acquire(KEY, timeout=1)
        waiter = asyncio.create_task(there.acquire(KEY, timeout=8))

        async def waits() -> bool:
            return bool(await redis.exists(f"{LOCK_KEY}:next") == 1)

        await eventually(waits)
        server.kill()
        async with asyncio.timeout(4):
            lease = await waiter
        assert lease.degraded, "two holders now: compare-and-set decides"
        await lease.release()
        await held.release()


async def test_rejecting_instead_of_degrading(server: ValkeyServer) -> None:
    async with lock_over(server.port, degrade="reject") as (lock, _):
        await turn(lock)
        server.kill()
        for _ in range(4):
            with pytest.raises(StoreUnavailableError) as unavailable:
                await lock.acquire(KEY, timeout=1)
            assert unavailable.value.retry_after
        assert (await lock.status()).state is ComponentState.DOWN
        server.restart()
        await state_is(lock, ComponentState.OK, within=BACK)
        await turn(lock)


async def test_wrong_credentials_are_down_not_degraded(server: ValkeyServer) -> None:
    async with FaultProxy("127.0.0.1", server.port) as proxy, lock_over(proxy.port) as (lock, _):
        await turn(lock)
        server.command("CONFIG", "SET", "requirepass", "secret")
        proxy.cut()
        with pytest.raises(StoreUnavailableError):
            await lock.acquire(KEY, timeout=1)
        status = await lock.status()
        assert (status.state, status.backend) == (ComponentState.DOWN, "redis")
        assert "secret" not in str(status.details)


async def test_a_key_of_the_wrong_type_is_down_and_heals(server: ValkeyServer) -> None:
    async with lock_over(server.port) as (lock, redis):
        await redis.lpush(LOCK_KEY, "somebody wrote here")
        with pytest.raises(StoreUnavailableError):
            await lock.acquire(KEY, timeout=1)
        assert (await lock.status()).state is ComponentState.DOWN
        await redis.delete(LOCK_KEY)
        await turn(lock)
        assert (await lock.status()).state is ComponentState.OK


async def test_a_replica_that_cannot_write_degrades_and_its_promotion_ends_it(
    server: ValkeyServer, tmp_path: Path
) -> None:
    home = tmp_path / "primary"
    home.mkdir()
    with valkey_server(home, tcp=True) as primary:
        async with lock_over(server.port) as (lock, _):
            await turn(lock)
            server.command("REPLICAOF", "127.0.0.1", str(primary.port))
            for _ in range(4):
                await turn(lock)
            assert (await lock.status()).state is ComponentState.DEGRADED
            server.command("REPLICAOF", "NO", "ONE")
            await state_is(lock, ComponentState.OK, within=BACK)


async def test_starting_without_redis_is_degraded_from_the_first_moment(server: ValkeyServer) -> None:
    server.kill()
    async with lock_over(server.port) as (lock, _):
        assert (await lock.status()).state is ComponentState.DEGRADED
        assert await turn(lock) < 0.1
        server.restart()
        await state_is(lock, ComponentState.OK, within=BACK)


@pytest.mark.parametrize("fault", ["none", "frozen"])
async def test_cancelled_callers_leave_no_key_and_no_task(server: ValkeyServer, fault: str) -> None:
    async with lock_over(server.port) as (lock, redis):
        await turn(lock)
        before = len(asyncio.all_tasks())
        if fault == "frozen":
            server.freeze()
        for steps in range(24):
            task = asyncio.create_task(lock.acquire(SessionKey("t1", f"s{steps}"), timeout=5))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await (await task).release()
        if fault == "frozen":
            server.thaw()

        async def clean() -> bool:
            """Back on Redis, nothing in doubt any more, nothing running."""
            status = await lock.status()
            at_rest = status.state is ComponentState.OK and status.details["held"] == "0"
            return at_rest and not lock._link.doubts and len(asyncio.all_tasks()) <= before

        await eventually(clean, within=8)
        assert await redis.keys("scriptgen:lock:*") == []


async def test_contention_never_opens_the_breaker(server: ValkeyServer) -> None:
    async with lock_over(server.port) as (here, _), lock_over(server.port) as (there, _):
        held = await here.acquire(KEY, timeout=1)
        for _ in range(5):
            with pytest.raises(SessionBusyError):
                await there.acquire(KEY, timeout=0.02)
        assert (await there.status()).state is ComponentState.OK
        await held.release()


async def test_what_a_cancelled_caller_asked_for_is_given_back_also_when_it_comes_late(
    server: ValkeyServer,
) -> None:
    """The question is held up and times out; its clean-up overtakes it and finds nothing yet."""
    async with (
        FaultProxy("127.0.0.1", server.port) as proxy,
        lock_over(proxy.port) as (lock, _),
        plain_client(server.url) as direct,
    ):
        await turn(lock)
        proxy.delay(0.7)
        caller = asyncio.create_task(lock.acquire(KEY, timeout=5))

        async def on_its_way() -> bool:
            return proxy.held == 1

        await eventually(on_its_way)
        proxy.delay(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller

        async def applied() -> bool:
            return bool(await direct.exists(LOCK_KEY) == 1)

        await eventually(applied, within=3)

        async def gone() -> bool:
            return not await applied()

        await eventually(gone, within=BACK + 3)
