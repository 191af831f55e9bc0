"""gRPC ignores an option whose name it does not know. So each limit of the server is seen to hold."""

from __future__ import annotations

import asyncio
import socket
import time

import grpc
import pytest

from scriptgen.server import channel_options
from scriptgen.settings import load_settings
from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, status_pb2, status_pb2_grpc
from tests.http2 import GOAWAY, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE, PING, connected

from .live import live

TOO_MANY_PINGS = b"too_many_pings"


def test_every_setting_of_the_server_has_its_option() -> None:
    """The names, spelled here once more: those below that a behaviour can show are shown."""
    options = dict(channel_options(load_settings({}), share_port=False))
    assert options == {
        "grpc.so_reuseport": 0,
        "grpc.max_receive_message_length": 1048576,
        "grpc.max_metadata_size": 16384,
        "grpc.absolute_max_metadata_size": 16384,
        "grpc.max_concurrent_streams": 1024,
        "grpc.max_connection_idle_ms": 900_000,
        "grpc.max_connection_age_ms": 3_600_000,
        "grpc.max_connection_age_grace_ms": 150_000,
        "grpc.keepalive_time_ms": 60_000,
        "grpc.keepalive_timeout_ms": 20_000,
        "grpc.http2.ping_timeout_ms": 20_000,
        "grpc.keepalive_permit_without_calls": 1,
        "grpc.http2.min_ping_interval_without_data_ms": 10_000,
    }


async def test_zero_turns_a_connection_limit_off_instead_of_closing_at_once() -> None:
    async with live(GRPC_MAX_CONNECTION_IDLE_SECONDS="0", GRPC_MAX_CONNECTION_AGE_SECONDS="0") as running:
        async with connected(running.server.port) as client:
            with pytest.raises(TimeoutError):
                await client.read_until(GOAWAY, seconds=1.5)
        await running.status.GetStatus(status_pb2.GetStatusRequest())


async def test_a_larger_message_than_allowed_is_refused_and_one_that_just_fits_is_not() -> None:
    async with live(GRPC_MAX_RECEIVE_BYTES="4096") as running:
        session = await running.session()
        for size, code in (
            (3000, grpc.StatusCode.INVALID_ARGUMENT),
            (5000, grpc.StatusCode.RESOURCE_EXHAUSTED),
        ):
            request = session_pb2.GetSessionRequest(session_id=session + "a" * size)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await running.sessions.GetSession(request)
            assert caught.value.code() is code


async def test_the_metadata_limit_is_announced_and_enforced() -> None:
    async with live(GRPC_MAX_METADATA_BYTES="2048") as running:
        async with connected(running.server.port) as client:
            assert client.settings[MAX_HEADER_LIST_SIZE] == 2048
        request = status_pb2.GetStatusRequest()
        await running.status.GetStatus(request, metadata=(("x-extra", "a" * 1000),))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.status.GetStatus(request, metadata=(("x-extra", "a" * 4000),))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_streams_of_one_connection_are_limited_and_another_connection_has_its_own() -> None:
    settings = {"GRPC_MAX_CONCURRENT_STREAMS": "2", "TEMPLATE_PACE_SECONDS": "0.05"}
    async with live(**settings) as running:
        async with connected(running.server.port) as client:
            assert client.settings[MAX_CONCURRENT_STREAMS] == 2
        sessions = [await running.session() for _ in range(2)]
        calls = [
            running.generation.GenerateStream(
                generate_pb2.GenerateStreamRequest(session_id=session, query="写一段开场话术")
            )
            for session in sessions
        ]
        for call in calls:
            await call.read()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.status.GetStatus(status_pb2.GetStatusRequest(), timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED, "it waits in the client"
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(running.target, options=options) as other:
            await status_pb2_grpc.StatusServiceStub(other).GetStatus(status_pb2.GetStatusRequest(), timeout=5)
        for call in calls:
            call.cancel()


async def test_pings_within_the_interval_are_tolerated_and_a_flood_closes_the_connection() -> None:
    async with live(GRPC_MIN_PING_INTERVAL_SECONDS="0.3") as running:
        async with connected(running.server.port) as polite:
            for _ in range(6):
                await polite.send(PING, b"12345678")
                assert await polite.read_until(PING)
                await asyncio.sleep(0.35)
            assert polite.goaway is None
        async with connected(running.server.port) as flood:
            answered = 0
            while flood.goaway is None and answered < 10:
                await flood.send(PING, b"12345678")
                answered += await flood.read_until(PING)
            assert flood.goaway == TOO_MANY_PINGS


async def test_an_idle_connection_is_closed() -> None:
    async with (
        live(GRPC_MAX_CONNECTION_IDLE_SECONDS="0.5") as running,
        connected(running.server.port) as client,
    ):
        started = time.monotonic()
        assert await client.read_until(GOAWAY, seconds=5)
        assert client.goaway == b"connection idle"
        assert time.monotonic() - started >= 0.3


async def test_an_old_connection_is_asked_to_go_and_its_stream_ends_whole() -> None:
    settings = {"GRPC_MAX_CONNECTION_AGE_SECONDS": "1", "TEMPLATE_PACE_SECONDS": "0.08"}
    async with live(**settings) as running:
        session = await running.session()
        started = time.monotonic()
        events = await running.stream(session, "写一段产品介绍")
        assert time.monotonic() - started > 1.2, "it ran beyond the connection's age"
        assert events[-1].HasField("result")
        async with connected(running.server.port) as client:
            assert await client.read_until(GOAWAY, seconds=5)
            assert client.goaway == b"max_age"


async def test_a_stream_beyond_age_and_grace_is_cut_so_the_grace_counts() -> None:
    settings = {
        "GRPC_MAX_CONNECTION_AGE_SECONDS": "0.5",
        "GRPC_MAX_CONNECTION_AGE_GRACE_SECONDS": "0.3",
        "TEMPLATE_PACE_SECONDS": "0.2",
        "LLM_TOTAL_TIMEOUT_SECONDS": "0.3",
    }
    async with live(**settings) as running:
        session = await running.session()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.stream(session, "写一段产品介绍")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_silent_client_is_pinged_and_dropped_when_it_does_not_answer() -> None:
    settings = {"GRPC_KEEPALIVE_SECONDS": "0.5", "GRPC_KEEPALIVE_TIMEOUT_SECONDS": "0.5"}
    async with live(**settings) as running, connected(running.server.port) as client:
        started = time.monotonic()
        assert await client.read_until(PING, seconds=5)
        assert client.frames[PING] == 1, "pinged without a running call"
        assert await client.read_until(GOAWAY, seconds=5)
        assert client.goaway == b"ping_timeout"
        assert time.monotonic() - started >= 0.9


async def test_a_port_is_not_shared_by_accident() -> None:
    """With port reuse a second server would take half of the calls without a word."""
    async with live() as running:
        with socket.socket() as second:
            second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            with pytest.raises(OSError, match="in use"):
                second.bind(("127.0.0.1", running.server.port))


async def test_a_generation_answers_over_a_unix_socket() -> None:
    """The limits above belong to TCP and to unix sockets alike."""
    path = f"/tmp/scriptgen-{time.monotonic_ns()}.sock"  # noqa: S108 (a socket's path must be short)
    async with live(GRPC_LISTEN=f"unix:{path}"), grpc.aio.insecure_channel(f"unix:{path}") as channel:
        stub = generate_pb2_grpc.GenerateServiceStub(channel)
        assert (await stub.ListSkills(generate_pb2.ListSkillsRequest())).skills
