"""Commands of one turn of the event loop share a round trip, and nothing else: not their errors, not their
callers' patience.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError

from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.stores.redis import RedisBackend, connect
from scriptgen.stores.redis.backend import COMMIT, OPEN
from scriptgen.stores.redis.pipelining import PipeliningRedis
from tests.proxy import FaultProxy
from tests.valkey import ValkeyServer, valkey_server

from .samples import KEY

SECONDS = 5.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path_factory.mktemp("valkey"), tcp=True) as started:
        yield started


@pytest.fixture
async def proxy(server: ValkeyServer) -> AsyncIterator[FaultProxy]:
    server.command("FLUSHALL")
    async with FaultProxy("127.0.0.1", server.port) as between:
        yield between


@pytest.fixture
async def redis(proxy: FaultProxy) -> AsyncIterator[PipeliningRedis]:
    """Connected, so that what follows counts commands only."""
    client = connect(f"redis://127.0.0.1:{proxy.port}/0", timeout=SECONDS)
    assert isinstance(client, PipeliningRedis)
    await client.execute_command("PING")
    yield client
    await client.aclose()


def in_use(redis: PipeliningRedis) -> int:
    return len(redis.connection_pool._in_use_connections)


async def test_what_is_asked_for_together_is_answered_in_one_round_trip_and_in_order(
    redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    before = proxy.exchanges
    answers = await asyncio.gather(*(redis.execute_command("INCR", "n") for _ in range(100)))
    assert answers == list(range(1, 101))
    assert proxy.exchanges - before == 1


async def test_what_is_asked_for_later_goes_by_itself_and_does_not_wait(
    redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    before = proxy.exchanges
    await redis.execute_command("SET", "a", "1")
    assert await redis.execute_command("GET", "a") == b"1"
    assert proxy.exchanges - before == 2


async def test_an_error_is_only_its_own_commands(redis: PipeliningRedis) -> None:
    await redis.execute_command("SET", "text", "no list")
    answers = await asyncio.gather(
        redis.execute_command("SET", "a", "1"),
        redis.execute_command("LPUSH", "text", "1"),
        redis.execute_command("EVALSHA", "0" * 40, 0),
        redis.execute_command("GET", "a"),
        return_exceptions=True,
    )
    assert answers[0] is True
    assert isinstance(answers[1], ResponseError)
    assert isinstance(answers[2], NoScriptError)
    assert answers[3] == b"1"


async def test_scripts_that_the_server_has_forgotten_are_told_anew_in_one_more_round_trip(
    server: ValkeyServer, redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    server.command("SCRIPT", "FLUSH")
    backend = RedisBackend(redis, timeout=SECONDS)
    before = proxy.exchanges
    keys = backend.keys.of_session(KEY)
    opened, committed = await asyncio.gather(
        backend.run(OPEN, keys, ["-1", "1", ""]), backend.run(COMMIT, keys, [0, *[""] * 9])
    )
    assert opened[0] is None
    assert committed == b"OK"
    assert proxy.exchanges - before == 2


async def test_a_connection_that_breaks_is_everybodys_error_and_stores_repeat_together(
    redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    proxy.cut_after_reply_bytes(2)
    answers = await asyncio.gather(
        *(redis.execute_command("SET", name, "1") for name in "abc"), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [RedisConnectionError] * 3
    backend = RedisBackend(redis, timeout=SECONDS)
    await backend.command("PING")
    proxy.cut_after_reply_bytes(2)
    words = await asyncio.gather(*(backend.command("SET", name, "2") for name in "abc"))
    assert words == [True, True, True]
    assert in_use(redis) == 0


async def test_answers_that_came_before_the_connection_broke_are_kept(
    redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    proxy.cut_after_reply_bytes(len(b"+OK\r\n:1\r"))
    answers = await asyncio.gather(
        redis.execute_command("SET", "a", "1"),
        redis.execute_command("INCR", "n"),
        redis.execute_command("GET", "a"),
        return_exceptions=True,
    )
    assert answers[0] is True
    assert [type(answer) for answer in answers[1:]] == [RedisConnectionError] * 2


async def test_a_caller_that_leaves_at_once_has_asked_for_nothing(
    server: ValkeyServer, redis: PipeliningRedis
) -> None:
    leaver = asyncio.create_task(redis.execute_command("SET", "gone", "1"))
    stayer = asyncio.create_task(redis.execute_command("SET", "here", "1"))
    await asyncio.sleep(0)  # both have asked, and nothing is sent before the next turn
    leaver.cancel()
    await stayer
    assert leaver.cancelled()
    assert server.command("EXISTS", "gone", "here") == b":1\r\n"


async def test_a_caller_that_leaves_later_disturbs_nobody(redis: PipeliningRedis, proxy: FaultProxy) -> None:
    proxy.delay(0.05)
    leaver = asyncio.create_task(redis.execute_command("INCR", "n"))
    stayer = asyncio.create_task(redis.execute_command("INCR", "n"))
    while not proxy.held:
        await asyncio.sleep(0)
    leaver.cancel()
    assert await stayer == 2
    assert leaver.cancelled()
    proxy.heal()
    assert await redis.execute_command("INCR", "n") == 3, "no connection holds another one's answers"


async def test_when_all_have_left_nothing_waits_on(redis: PipeliningRedis, proxy: FaultProxy) -> None:
    proxy.black_hole()
    backend = RedisBackend(redis, timeout=0.1)
    answers = await asyncio.gather(*(backend.command("GET", name) for name in "abc"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 3
    while redis._exchanges:
        await asyncio.sleep(0)
    assert in_use(redis) == 0
    proxy.heal()
    assert await redis.execute_command("GET", "a") is None


async def test_a_short_patience_ends_before_a_long_one_in_the_same_round_trip(
    redis: PipeliningRedis, proxy: FaultProxy
) -> None:
    proxy.delay(0.1)
    hasty = RedisBackend(redis, timeout=0.05)
    patient = RedisBackend(redis, timeout=SECONDS)
    answers = await asyncio.gather(hasty.command("PING"), patient.command("PING"), return_exceptions=True)
    assert isinstance(answers[0], StoreUnavailableError)
    assert answers[1] is True


async def test_closing_ends_what_is_under_way(proxy: FaultProxy) -> None:
    client = connect(f"redis://127.0.0.1:{proxy.port}/0", timeout=SECONDS)
    assert isinstance(client, PipeliningRedis)
    await client.execute_command("PING")
    proxy.black_hole()
    waiting = asyncio.create_task(client.execute_command("GET", "a"))
    while not in_use(client):
        await asyncio.sleep(0)
    async with asyncio.timeout(SECONDS):
        await client.aclose()
        with pytest.raises(RedisConnectionError):
            await waiting


async def test_commands_of_the_library_itself_work_as_ever(redis: PipeliningRedis) -> None:
    await redis.hset("h", mapping={"a": 1})
    assert await redis.hgetall("h") == {b"a": b"1"}
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.execute_command("SET", "x", "1")
        pipeline.execute_command("GET", "x")
        assert await pipeline.execute() == [True, b"1"]
    async with redis.client() as single:
        assert isinstance(single, Redis)
        assert await single.get("x") == b"1"
