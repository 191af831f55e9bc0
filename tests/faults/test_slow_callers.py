"""Callers that do not read, do not speak, or speak too much: the others do not notice, nothing grows."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from scriptgen.v1 import (
    generate_pb2,
    generate_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    types_pb2,
)
from tests.e2e.process import ServerProcess, serving
from tests.http2 import DATA, END_HEADERS, GOAWAY, HEADERS, RST_STREAM, Http2, connected
from tests.services.live import live, until_idle

pytestmark = pytest.mark.faults

GENERATE_STREAM = "/scriptgen.v1.GenerateService/GenerateStream"
OPENING = "写一段开场话术"
CALLS = 60


@dataclass(slots=True)
class Target:
    server: ServerProcess
    channel: grpc.aio.Channel

    @property
    def port(self) -> int:
        return int(self.server.grpc.rsplit(":", 1)[1])

    async def session(self) -> str:
        request = session_pb2.CreateSessionRequest(category="美妆", product=types_pb2.Product(name="唇釉"))
        created = await session_pb2_grpc.SessionServiceStub(self.channel).CreateSession(request, timeout=10)
        return created.session.session_id

    async def slowest(self) -> float:
        """Seconds of a good caller's second-slowest call of `CALLS`: its p99, less one stray of the machine."""
        stub, session = generate_pb2_grpc.GenerateServiceStub(self.channel), await self.session()
        taken = []
        for _ in range(CALLS):
            started = time.monotonic()
            answer = await stub.Generate(
                generate_pb2.GenerateRequest(session_id=session, query=OPENING), timeout=20
            )
            taken.append(time.monotonic() - started)
            assert answer.result.scripts
        return sorted(taken)[-2]

    def memory(self) -> float:
        """Resident megabytes of the server."""
        status = Path(f"/proc/{self.server.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@asynccontextmanager
async def target() -> AsyncIterator[Target]:
    with serving(CORE_RATE_LIMIT_ENABLED="false", REQUEST_DEDUP_TTL_SECONDS="0") as server:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            running = Target(server, channel)
            await running.slowest()  # imports and caches are warm after it
            yield running
            status = status_pb2_grpc.StatusServiceStub(channel)
            await status.GetStatus(status_pb2.GetStatusRequest(), timeout=5)
            assert server.terminate() == 0


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[float, float, float], None]:
    """Keeps the numbers of a run in its report (`pytest --junit-xml`)."""

    def keep(before: float, after: float, grown: float) -> None:
        record_property("p99_before_ms", round(before * 1000, 1))
        record_property("p99_after_ms", round(after * 1000, 1))
        record_property("memory_grown_mb", round(grown, 1))

    return keep


def stream_request(session: str) -> bytes:
    return generate_pb2.GenerateStreamRequest(session_id=session, query=OPENING).SerializeToString()


async def test_readers_that_read_nothing_do_not_slow_the_others_or_fill_the_memory(
    report: Callable[[float, float, float], None],
) -> None:
    async with target() as running, AsyncExitStack() as stack:
        before, memory = await running.slowest(), running.memory()
        for _ in range(10):
            # No byte of an answer may be sent to them.
            client = await stack.enter_async_context(connected(running.port, initial_window_size=0))
            for _ in range(12):
                await client.call(GENERATE_STREAM, stream_request(await running.session()))
        after, grown = await running.slowest(), running.memory() - memory
        report(before, after, grown)
        assert after < 2 * before + 0.1
        assert grown < 60


async def test_a_reader_that_stalls_loses_its_place() -> None:
    """Otherwise a few hundred such streams, which cost their caller nothing, would keep everybody out."""
    few = {"CORE_MAX_INFLIGHT": "3", "CORE_RATE_CONCURRENT_PER_TENANT": "0"}
    async with live(**few, STREAM_READER_SECONDS="2") as running:
        sessions = [await running.session() for _ in range(4)]
        async with connected(running.server.port, initial_window_size=0) as client:
            for session in sessions[:3]:
                await client.call(GENERATE_STREAM, stream_request(session))
            admission = running.server.app.admission
            async with asyncio.timeout(10):
                while admission.running < 3:
                    await asyncio.sleep(0.01)
                await until_idle(running.server)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await running.generate(sessions[3], OPENING)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            async with asyncio.timeout(10):
                while admission.running:
                    await asyncio.sleep(0.01)
            assert (await running.generate(sessions[3], OPENING)).scripts
            assert DATA not in client.frames
        # What nobody read is there all the same.
        stored = session_pb2.GetSessionRequest(session_id=sessions[0])
        assert len((await running.sessions.GetSession(stored)).session.scripts) == 1


async def test_a_reader_that_is_only_slow_keeps_its_stream() -> None:
    """The patience is for one message, not for the stream."""
    paced = {"TEMPLATE_PACE_SECONDS": "0.05", "STREAM_FLUSH_MS": "0"}
    async with live(**paced, STREAM_READER_SECONDS="0.5") as running:
        started = time.monotonic()
        events = await running.stream(await running.session(), "写一段产品介绍")
        assert time.monotonic() - started > 0.5
        assert events[-1].HasField("result")


async def test_three_hundred_idle_connections_cost_the_others_nothing(
    report: Callable[[float, float, float], None],
) -> None:
    async with target() as running, AsyncExitStack() as stack:
        before, memory = await running.slowest(), running.memory()
        idle = [await stack.enter_async_context(connected(running.port)) for _ in range(300)]
        after, grown = await running.slowest(), running.memory() - memory
        report(before, after, grown)
        assert all(client.goaway is None for client in idle)
        assert after < 2 * before + 0.1
        assert grown < 60


async def test_streams_that_are_reset_as_soon_as_they_are_opened_do_not_pile_up(
    report: Callable[[float, float, float], None],
) -> None:
    """Rapid reset (CVE-2023-44487): each is cancelled; the connection may be closed, the service goes on."""
    async with target() as running:
        before, memory = await running.slowest(), running.memory()
        session = await running.session()

        async def flood(client: Http2) -> None:
            try:
                for _ in range(1500):
                    stream = await client.call(GENERATE_STREAM, stream_request(session))
                    await client.send(RST_STREAM, (8).to_bytes(4, "big"), stream=stream)
            except ConnectionError:
                return

        async with connected(running.port) as one, connected(running.port) as two:
            flooding = asyncio.gather(flood(one), flood(two))
            during = await running.slowest()
            await flooding
        after, grown = await running.slowest(), running.memory() - memory
        report(before, after, grown)
        assert during < 5
        assert after < 2 * before + 0.1
        assert grown < 100


async def test_a_call_that_never_sends_its_request_holds_nothing() -> None:
    """Headers without a message: no place, no lock, and the session stays usable."""
    async with live(CORE_MAX_INFLIGHT="1") as running:
        session = await running.session()
        async with connected(running.server.port) as client:
            for number in range(5):
                await client.headers(GENERATE_STREAM)
                assert client.next_stream == 2 * number + 3
            assert (await running.generate(session, OPENING)).scripts
            assert running.server.app.admission.running == 0
            assert GOAWAY not in client.frames


async def test_frames_that_are_no_http2_end_their_connection_only() -> None:
    async with live() as running:
        for kind, payload, stream in ((HEADERS, b"\xff" * 40, 1), (DATA, b"\x00" * 5, 1), (9, b"\x00", 1)):
            async with connected(running.server.port) as client:
                await client.send(kind, payload, flags=END_HEADERS, stream=stream)
                with contextlib.suppress(TimeoutError):  # what is merely out of place may be passed over
                    await client.read_until(GOAWAY, seconds=0.5)
            await running.status.GetStatus(status_pb2.GetStatusRequest(), timeout=5)
