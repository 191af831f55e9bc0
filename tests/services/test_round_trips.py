"""How often a generation asks Redis when everything is there: counted between a real server and a real
Valkey, one write that is answered being one round trip, however many commands it holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import grpc
import pytest
import redis

from scriptgen.v1 import types_pb2
from tests.proxy import FaultProxy
from tests.services.live import Live, assert_whole, live, refused, until_idle
from tests.valkey import ValkeyServer, valkey_server

#: Redis is given half a second, which a busy machine may take away.
pytestmark = pytest.mark.timing

#: What runs beside the requests: new connections, the sign of life of subscriptions, and the health watch.
HELLO = b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$8\r\nLIB-NAME\r\n$8\r\nredis-py\r\n"
HELLO_AGAIN = (
    b"*4\r\n$6\r\nCLIENT\r\n$7\r\nSETINFO\r\n$7\r\nLIB-VER\r\n$5\r\n%b\r\n" % redis.__version__.encode()
)
PING = b"*1\r\n$4\r\nPING\r\n"
PROBE = b"*5\r\n$3\r\nSET\r\n$8\r\nsg:probe\r\n$1\r\n1\r\n$2\r\nPX\r\n$5\r\n60000\r\n"

#: Quota, lock and session together; accepted; text recorded; end recorded; quota and lock given back.
FIVE = 5
RECORDS = 3
#: One more to look whether the request is known.
SIX = 6
#: A stream that may be resumed is published beside it: when it begins and when it has ended.
PUBLISHED = 2


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path, tcp=True) as server:
        yield server


@pytest.fixture
async def proxy(valkey: ValkeyServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", valkey.port) as between:
        between.idle_talk = (HELLO, HELLO_AGAIN, PING, PROBE)
        yield between


@pytest.fixture
async def server(proxy: FaultProxy) -> AsyncIterator[Live]:
    async with serving(proxy) as running:
        # Valkey has to be told every script once.
        await running.generate(await running.session(), "写一段开场白", request_id="warm-up-1")
        yield running


def serving(proxy: FaultProxy, **settings: str) -> AbstractAsyncContextManager[Live]:
    environment = {
        "REDIS_URL": f"redis://127.0.0.1:{proxy.port}/0",
        "SESSION_STORE": "redis",
        "CHECKPOINT_STORE": "redis",
        "CORE_RATE_LIMIT_BACKEND": "redis",
    }
    return live(**environment | settings)


async def round_trips(server: Live, proxy: FaultProxy, request: Coroutine[object, object, object]) -> int:
    """From the request until everything is given back."""
    await until_idle(server.server)
    before = proxy.exchanges
    await request
    await until_idle(server.server)
    return proxy.exchanges - before


async def test_the_first_script_of_a_session(server: Live, proxy: FaultProxy) -> None:
    session = await server.session()
    assert await round_trips(server, proxy, server.generate(session, "写一段开场白")) == FIVE


async def test_a_request_with_an_id_of_its_own(server: Live, proxy: FaultProxy) -> None:
    session = await server.session()
    request = server.generate(session, "写一段开场白", request_id="request-1")
    assert await round_trips(server, proxy, request) == SIX
    again = server.generate(session, "写一段开场白", request_id="request-1")
    assert await round_trips(server, proxy, again) <= 2


async def test_the_first_script_for_an_influencer_whose_style_is_not_in_memory(
    server: Live, proxy: FaultProxy
) -> None:
    session = await server.session(influencer=types_pb2.Influencer(name="陈小北"))
    request = server.generate(session, "写一段开场白", request_id="request-1")
    assert await round_trips(server, proxy, request) == SIX


async def test_the_turns_that_follow(server: Live, proxy: FaultProxy) -> None:
    session = await server.session()
    version = (await server.generate(session, "写一段开场白")).checkpoint_version
    for query in ("再活泼一点", "写一段逼单话术", "翻译成英文"):
        versions = [version]

        async def turn(query: str, versions: list[int]) -> None:
            versions.append((await server.generate(session, query)).checkpoint_version)

        trips = await round_trips(server, proxy, turn(query, versions))
        before, version = versions
        # A text that has to be written again is recorded each time, for its model call was paid.
        assert trips == FIVE - RECORDS + version - before


async def test_a_stream(server: Live, proxy: FaultProxy) -> None:
    session = await server.session()
    assert await round_trips(server, proxy, server.stream(session, "写一段开场白")) == FIVE


async def test_a_stream_that_may_be_resumed(server: Live, proxy: FaultProxy) -> None:
    session = await server.session()

    async def streamed_and_published() -> None:
        assert_whole(await server.stream(session, "写一段开场白", request_id="request-1"))
        while server.server.app.orchestrator.publishing:
            await asyncio.sleep(0.01)

    await streamed_and_published()  # Valkey has to be told this script too
    session = await server.session()
    assert await round_trips(server, proxy, streamed_and_published()) <= SIX + PUBLISHED


async def test_many_generations_at_once_share_round_trips(server: Live, proxy: FaultProxy) -> None:
    sessions = [await server.session() for _ in range(8)]

    async def together() -> None:
        await asyncio.gather(*(server.generate(session, "写一段开场白") for session in sessions))

    assert await round_trips(server, proxy, together()) <= FIVE * len(sessions)


async def test_a_refused_tenant_costs_one_round_trip(proxy: FaultProxy) -> None:
    async with serving(proxy, CORE_RATE_QPS_PER_TENANT="0.01") as server:
        session = await server.session()
        for _ in range(2):  # the burst
            await server.generate(session, "写一段开场白")

        async def denied() -> None:
            call = server.generate(session, "写一段开场白")
            await refused(call, grpc.StatusCode.RESOURCE_EXHAUSTED, "QPS_LIMIT_EXCEEDED")

        await denied()  # the last one to ask for its session early
        while (await server.server.app.lock.status()).details["held"] != "0":
            await asyncio.sleep(0.01)
        assert await round_trips(server, proxy, denied()) == 1
