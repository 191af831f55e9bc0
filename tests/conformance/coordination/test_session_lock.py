"""What every session lock does, and what only the one over Redis does."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest
from redis.utils import str_if_bytes

from scriptgen.coordination.keys import lock_keys, session_tag
from scriptgen.coordination.local_lock import LocalSessionLock
from scriptgen.coordination.protocols import SessionLock
from scriptgen.coordination.redis_lease import RENEW
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.coordination.redis_lock import ACQUIRE, RELEASE, RedisSessionLock
from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import ResourceExhaustedError, SessionBusyError
from scriptgen.domain.session import SessionKey
from tests.conformance.coordination.support import KEY, Recorder, client, eventually, plain_client, redis_lock
from tests.valkey import ValkeyServer


@pytest.fixture
def observer() -> Recorder:
    return Recorder()


@pytest.fixture(params=["local", "server", "cluster"])
async def lock(request: pytest.FixtureRequest, observer: Recorder) -> AsyncIterator[SessionLock]:
    """In this process, over one Redis server, over a Redis Cluster."""
    if request.param == "local":
        yield LocalSessionLock(max_waiters=4, observer=observer)
        return
    server: ValkeyServer = request.getfixturevalue(request.param)
    async with (
        client(server.url) as redis,
        redis_lock(redis, max_waiters=4, observer=observer) as over_redis,
    ):
        yield over_redis


async def waiting(lock: SessionLock, count: int) -> None:
    async def reached() -> bool:
        return (await lock.status()).details["waiting"] == str(count)

    await eventually(reached)


async def subscribed(lock: SessionLock) -> bool:
    return (await lock.status()).details["wake_ups"] == "subscribed"


async def waits_in_redis(redis: RedisClient) -> bool:
    return await redis.exists(f"scriptgen:lock:{session_tag(KEY)}:next") == 1


async def nobody_waits_in_redis(redis: RedisClient) -> bool:
    return not await waits_in_redis(redis)


async def left_behind(lock: SessionLock) -> tuple[str, str]:
    details = (await lock.status()).details
    return details["held"], details["waiting"]


async def test_one_holder_at_a_time_and_every_caller_gets_its_turn(lock: SessionLock) -> None:
    inside = 0
    order: list[int] = []

    async def turn(number: int) -> None:
        nonlocal inside
        lease = await lock.acquire(KEY, timeout=5)
        inside += 1
        assert inside == 1
        await asyncio.sleep(0.002)
        order.append(number)
        inside -= 1
        await lease.release()

    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(turn(number))
    assert order == [0, 1, 2, 3, 4], "strictly first in, first out"
    assert await left_behind(lock) == ("0", "0")


async def test_sessions_do_not_wait_for_each_other(lock: SessionLock) -> None:
    held = await lock.acquire(KEY, timeout=1)
    for other in (SessionKey("t1", "s2"), SessionKey("t2", "s1")):
        lease = await lock.acquire(other, timeout=0.2)
        await lease.release()
    await held.release()


async def test_waiting_too_long_is_session_busy_with_a_time_to_retry(
    lock: SessionLock, observer: Recorder
) -> None:
    held = await lock.acquire(KEY, timeout=1)
    with pytest.raises(SessionBusyError) as busy:
        await lock.acquire(KEY, timeout=0.05)
    assert busy.value.retry_after is not None
    assert busy.value.retry_after > 0
    assert observer.timeouts == 1
    await held.release()
    assert await left_behind(lock) == ("0", "0")
    await (await lock.acquire(KEY, timeout=0.2)).release()


async def test_the_fifth_waiter_of_a_queue_of_four_is_refused_at_once(lock: SessionLock) -> None:
    held = await lock.acquire(KEY, timeout=1)
    waiters = [asyncio.create_task(lock.acquire(KEY, timeout=5)) for _ in range(4)]
    await waiting(lock, 4)
    with pytest.raises(ResourceExhaustedError) as full:
        await lock.acquire(KEY, timeout=5)
    assert full.value.reason == "QUEUE_FULL"
    assert full.value.retry_after
    await held.release()
    for waiter in waiters:
        await (await waiter).release()


async def test_a_cancelled_waiter_leaves_the_queue_and_the_next_one_is_served(lock: SessionLock) -> None:
    held = await lock.acquire(KEY, timeout=1)
    first = asyncio.create_task(lock.acquire(KEY, timeout=5))
    second = asyncio.create_task(lock.acquire(KEY, timeout=5))
    await waiting(lock, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await held.release()
    await (await second).release()
    assert await left_behind(lock) == ("0", "0")


async def test_releasing_twice_does_not_free_the_next_holders_turn(lock: SessionLock) -> None:
    first = await lock.acquire(KEY, timeout=1)
    await first.release()
    second = await lock.acquire(KEY, timeout=1)
    await first.release()
    with pytest.raises(SessionBusyError):
        await lock.acquire(KEY, timeout=0.05)
    await second.release()


async def test_a_release_that_is_cancelled_still_happens(lock: SessionLock) -> None:
    lease = await lock.acquire(KEY, timeout=1)
    releasing = asyncio.create_task(lease.release())
    await asyncio.sleep(0)
    releasing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await releasing
    await (await lock.acquire(KEY, timeout=1)).release()


async def test_cancelling_anywhere_leaves_no_turn_and_no_key(
    lock: SessionLock, request: pytest.FixtureRequest
) -> None:
    """200 callers on two sessions, each cancelled after a random number of steps of the loop."""
    chance = random.Random(7)
    keys = [KEY, SessionKey("t1", "s2")]
    before = len(asyncio.all_tasks())

    async def turn() -> None:
        lease = await lock.acquire(chance.choice(keys), timeout=2)
        try:
            await asyncio.sleep(chance.choice((0, 0.001)))
        finally:
            await lease.release()

    for _ in range(100):
        pair = [asyncio.create_task(turn()) for _ in range(2)]
        for task in pair:
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*pair, return_exceptions=True)
    for key in keys:
        await (await lock.acquire(key, timeout=2)).release()

    async def clean() -> bool:
        return len(asyncio.all_tasks()) <= before and await left_behind(lock) == ("0", "0")

    await eventually(clean)
    if "server" in request.fixturenames:
        server: ValkeyServer = request.getfixturevalue("server")
        for key in keys:
            assert server.command("EXISTS", f"scriptgen:lock:{session_tag(key)}") == b":0\r\n"


async def test_status_names_the_component(lock: SessionLock) -> None:
    status = await lock.status()
    assert (status.name, status.state) == ("session_lock", ComponentState.OK)


def test_no_tenant_can_spell_another_tenants_key() -> None:
    honest = session_tag(SessionKey("a", "b"))
    forged = [("a:b", ""), ("", "a:b"), ("a}", "b"), ("{a", "b"), ("a%3Ab", ""), ("a:", "b")]
    tags = {session_tag(SessionKey(*pair)) for pair in forged}
    assert honest not in tags
    assert len(tags) == len(forged)
    assert all(tag.count("{") == tag.count("}") == tag.count(":") == 1 for tag in tags)


async def test_a_free_session_costs_one_round_trip_to_take_and_one_to_release(server: ValkeyServer) -> None:
    async with plain_client(server.url) as redis, redis_lock(redis) as lock:
        await (await lock.acquire(KEY, timeout=1)).release()
        before = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
        for _ in range(10):
            await (await lock.acquire(KEY, timeout=1)).release()
        after = (await redis.info("commandstats"))["cmdstat_evalsha"]["calls"]
    assert after - before == 20


async def test_two_processes_exclude_each_other_and_the_waiter_is_woken(server: ValkeyServer) -> None:
    loop = asyncio.get_running_loop()
    async with (
        client(server.url) as one,
        client(server.url) as two,
        redis_lock(one) as here,
        redis_lock(two) as there,
    ):
        await eventually(lambda: subscribed(there))
        held = await here.acquire(KEY, timeout=1)
        with pytest.raises(SessionBusyError):
            await there.acquire(KEY, timeout=0.05)
        await eventually(lambda: nobody_waits_in_redis(two))
        waiter = asyncio.create_task(there.acquire(KEY, timeout=5))
        await eventually(lambda: waits_in_redis(two))
        released = loop.time()
        await held.release()
        lease = await waiter
        assert loop.time() - released < 0.2, "woken, not polled: the shortest poll is 0.5 s"
        await lease.release()


async def test_the_waiter_of_another_process_comes_before_the_releasing_processs_own_queue(
    server: ValkeyServer,
) -> None:
    order: list[str] = []

    async def turn(lock: RedisSessionLock, name: str) -> None:
        lease = await lock.acquire(KEY, timeout=5)
        order.append(name)
        await asyncio.sleep(0.005)
        await lease.release()

    async with (
        client(server.url) as one,
        client(server.url) as two,
        redis_lock(one) as here,
        redis_lock(two) as there,
    ):
        held = await here.acquire(KEY, timeout=1)
        own = [asyncio.create_task(turn(here, "own")) for _ in range(5)]
        other = asyncio.create_task(turn(there, "other"))
        await eventually(lambda: waits_in_redis(two))
        await held.release()
        await asyncio.gather(*own, other)
    assert order[0] == "other"


async def test_a_cancelled_waiter_gives_up_its_place_in_redis(server: ValkeyServer) -> None:
    async with (
        client(server.url) as one,
        client(server.url) as two,
        redis_lock(one) as here,
        redis_lock(two) as there,
    ):
        held = await here.acquire(KEY, timeout=1)
        waiter = asyncio.create_task(there.acquire(KEY, timeout=5))
        await eventually(lambda: waits_in_redis(two))
        waiter.cancel()
        await eventually(lambda: nobody_waits_in_redis(two))
        await held.release()


async def test_a_lease_outlives_its_first_term_while_it_is_held(server: ValkeyServer) -> None:
    async with (
        client(server.url) as one,
        client(server.url) as two,
        redis_lock(one, lease_seconds=0.3) as here,
        redis_lock(two, lease_seconds=0.3) as there,
    ):
        held = await here.acquire(KEY, timeout=1)
        with pytest.raises(SessionBusyError):
            await there.acquire(KEY, timeout=1.0)
        assert not held.lost.is_set()
        await held.release()


async def test_a_lease_that_another_took_is_reported_lost(server: ValkeyServer) -> None:
    async with plain_client(server.url) as redis, redis_lock(redis, lease_seconds=0.6) as lock:
        lease = await lock.acquire(KEY, timeout=1)
        await redis.set(f"scriptgen:lock:{session_tag(KEY)}", "somebody else", px=5000)
        async with asyncio.timeout(1):
            await lease.lost.wait()
        await lease.release()
        assert await redis.get(f"scriptgen:lock:{session_tag(KEY)}") == b"somebody else"


@pytest.mark.parametrize("seed", range(5))
async def test_the_scripts_follow_a_model_of_one_holder_and_one_next(server: ValkeyServer, seed: int) -> None:
    """Random calls of four tokens, with leases and places that run out; the model is two variables."""
    chance = random.Random(seed)
    lock, place = lock_keys("{t:s}")
    owner = following = None
    async with plain_client(server.url) as redis:
        for step in range(400):
            token = chance.choice("abcd")
            call = chance.choice(("acquire", "acquire", "renew", "release", "lease ends", "place ends"))
            if call == "acquire":
                if owner == token:
                    won = True
                elif owner is None and following in (None, token):
                    won, owner, following = True, token, None
                else:
                    won, following = False, following or token
                reply = await redis.eval(ACQUIRE.text, 2, lock, place, token, 60_000, 60_000)
                assert (reply == 0) is won, step
                assert won or 0 < reply <= (60_000 if owner else 10)
            elif call == "renew":
                if token not in (owner, following):
                    continue  # only a holder renews
                owner = owner or token
                assert await redis.eval(RENEW.text, 1, lock, token, 60_000) == (owner == token), step
            elif call == "release":
                held = owner == token
                following = None if following == token else following
                owner = None if held else owner
                assert await redis.eval(RELEASE.text, 2, lock, place, token, 60_000, "c", "m") == held, step
            elif call == "lease ends":
                owner = None
                await redis.delete(lock)
            else:
                following = None
                await redis.delete(place)
            stored = [str_if_bytes(value) if value else None for value in await redis.mget(lock, place)]
            assert stored == [owner, following], step


@pytest.fixture(params=["server", "cluster"])
async def eager(request: pytest.FixtureRequest, observer: Recorder) -> AsyncIterator[RedisSessionLock]:
    server: ValkeyServer = request.getfixturevalue(request.param)
    async with client(server.url) as redis, redis_lock(redis, observer=observer) as over_redis:
        yield over_redis


async def test_an_attempt_wins_a_free_session_and_releases_it_like_any_other(
    eager: RedisSessionLock, observer: Recorder
) -> None:
    lease = await eager.attempt(KEY)
    assert lease is not None
    assert len(observer.waits) == 1
    with pytest.raises(SessionBusyError):
        await eager.acquire(KEY, timeout=0.05)
    await lease.release()
    await (await eager.acquire(KEY, timeout=1)).release()
    assert await left_behind(eager) == ("0", "0")


async def test_an_attempt_on_a_session_held_in_this_process_is_lost_at_once(eager: RedisSessionLock) -> None:
    async with asyncio.timeout(1):
        lease = await eager.acquire(KEY, timeout=1)
        assert await eager.attempt(KEY) is None
        assert await left_behind(eager) == ("1", "0")
    await lease.release()


async def test_an_attempt_on_a_session_held_elsewhere_is_lost_at_once_and_takes_no_place(
    server: ValkeyServer,
) -> None:
    async with (
        client(server.url) as ours,
        client(server.url) as theirs,
        redis_lock(ours) as here,
        redis_lock(theirs) as there,
    ):
        held = await there.acquire(KEY, timeout=1)
        async with asyncio.timeout(1):
            assert await here.attempt(KEY) is None
        assert await nobody_waits_in_redis(ours)
        assert await left_behind(here) == ("0", "0")
        await held.release()
        lease = await here.attempt(KEY)
        assert lease is not None
        await lease.release()


async def test_an_attempt_does_not_overtake_who_waits_elsewhere(server: ValkeyServer) -> None:
    async with (
        client(server.url) as ours,
        client(server.url) as theirs,
        redis_lock(ours) as here,
        redis_lock(theirs) as there,
    ):
        held = await here.acquire(KEY, timeout=1)
        waiter = asyncio.create_task(there.acquire(KEY, timeout=5))
        await eventually(lambda: waits_in_redis(ours))
        release = asyncio.create_task(held.release())
        await release
        assert await here.attempt(KEY) is None
        await (await waiter).release()


async def test_an_abandoned_attempt_leaves_nothing_behind(eager: RedisSessionLock) -> None:
    for abandoned_after in (0, 1, 5):
        attempt = eager.attempt(KEY)
        for _ in range(abandoned_after):
            await asyncio.sleep(0)
        eager.abandon(attempt)
        await (await eager.acquire(KEY, timeout=1)).release()
    assert await left_behind(eager) == ("0", "0")


async def test_a_call_behind_an_attempt_sees_the_session_as_its_holder_does(server: ValkeyServer) -> None:
    """The read that is asked for right after an attempt runs after it, on a server of its own."""
    async with client(server.url) as redis, redis_lock(redis) as lock:
        await (await lock.acquire(KEY, timeout=1)).release()  # the scripts are known from here on
        for _ in range(20):
            attempt = lock.attempt(KEY)
            owner = asyncio.create_task(redis.execute_command("GET", lock_keys(session_tag(KEY))[0]))
            lease = await attempt
            assert lease is not None
            assert await owner == lease.token.encode()
            await lease.release()
