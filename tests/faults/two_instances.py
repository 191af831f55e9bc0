"""Two server processes that share one Redis, and a model of which the test holds the pen."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
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
)
from tests.services.live import LIPSTICK, XIAOMAN
from tests.upstream import SCRIPT, FakeUpstream, says
from tests.valkey import ValkeyServer, valkey_server

from .forked_servers import Forge, ForkedServer, forge

CALL_SECONDS = 30.0
QUERY = "写一段桃桃唇釉的产品介绍"
REQUEST = "request-1"
#: 60 pieces of text at this pace take 3 s.
PACE = 0.05

Event = generate_pb2.GenerateStreamResponse
Result = generate_pb2.GenerationResult


@pytest.fixture(scope="module")
def servers() -> Iterator[Forge]:
    with forge() as started:
        yield started


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path) as server:
        yield server


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    """Writes its script in about 3 s."""
    async with FakeUpstream(says(SCRIPT, pace=PACE)) as server:
        yield server


@dataclass(slots=True)
class Instance:
    """One server and the stubs to call it."""

    server: ForkedServer
    sessions: session_pb2_grpc.SessionServiceAsyncStub
    generation: generate_pb2_grpc.GenerateServiceAsyncStub
    status: status_pb2_grpc.StatusServiceAsyncStub

    async def session(self) -> str:
        request = session_pb2.CreateSessionRequest(influencer=XIAOMAN, category="美妆", product=LIPSTICK)
        return (await self.sessions.CreateSession(request, timeout=CALL_SECONDS)).session.session_id

    async def generate(self, session: str, request_id: str = "", query: str = QUERY) -> Result:
        request = generate_pb2.GenerateRequest(session_id=session, query=query, request_id=request_id)
        return (await self.generation.Generate(request, timeout=CALL_SECONDS)).result

    @asynccontextmanager
    async def streaming(
        self, session: str, request_id: str = "", *, after: int = 0, query: str = QUERY
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Its events; leaving it drops the stream."""
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query=query, request_id=request_id, resume_after_sequence=after
        )
        call = self.generation.GenerateStream(request, timeout=CALL_SECONDS)
        try:
            yield aiter(call)
        finally:
            call.cancel()

    async def stream(self, session: str, request_id: str = "", *, after: int = 0) -> list[Event]:
        async with self.streaming(session, request_id, after=after) as events:
            return [event async for event in events]

    async def cancel(self, session: str, request_id: str) -> bool:
        request = generate_pb2.CancelGenerationRequest(session_id=session, request_id=request_id)
        return (await self.generation.CancelGeneration(request, timeout=CALL_SECONDS)).cancelled

    async def turns(self, session: str) -> list[session_pb2.Turn]:
        request = session_pb2.GetSessionRequest(session_id=session)
        return list((await self.sessions.GetSession(request, timeout=CALL_SECONDS)).session.turns)

    async def components(self) -> dict[str, status_pb2.Component]:
        answer = await self.status.GetStatus(status_pb2.GetStatusRequest(), timeout=5)
        return {component.name: component for component in answer.components}

    async def details(self, component: str) -> dict[str, str]:
        return dict((await self.components())[component].details)


def settings(
    valkey: ValkeyServer, upstream: FakeUpstream, *, sqlite: Path | None = None, **more: str
) -> dict[str, str]:
    """State in Redis, or in the SQLite file when one is given; coordination always on Redis."""
    backend = {"SESSION_STORE": "redis", "CHECKPOINT_STORE": "redis"}
    if sqlite is not None:
        backend = {"SESSION_STORE": "sqlite", "CHECKPOINT_STORE": "sqlite", "SQLITE_PATH": str(sqlite)}
    return {
        **backend,
        "REDIS_URL": valkey.url,
        "CORE_RATE_LIMIT_BACKEND": "redis",
        "CORE_RATE_QPS_PER_TENANT": "1000",
        "CORE_RATE_TOKENS_PER_MIN": "10000000",
        "CORE_RATE_CONCURRENT_PER_TENANT": "0",
        "METRICS_LISTEN": "",
        "VLLM_BASE_URL": upstream.url,
        "VLLM_MODEL": "fake",
        "LLM_FALLBACK_ENABLED": "false",
        **more,
    }


@asynccontextmanager
async def two_instances(forge: Forge, **environment: str) -> AsyncIterator[tuple[Instance, Instance]]:
    servers = [forge.start(**environment), forge.start(**environment)]
    try:
        async with contextlib.AsyncExitStack() as stack:
            instances = []
            for server in servers:
                channel = await stack.enter_async_context(grpc.aio.insecure_channel(server.grpc))
                instances.append(
                    Instance(
                        server,
                        session_pb2_grpc.SessionServiceStub(channel),
                        generate_pb2_grpc.GenerateServiceStub(channel),
                        status_pb2_grpc.StatusServiceStub(channel),
                    )
                )
            yield instances[0], instances[1]
    finally:
        for server in servers:
            server.kill()


async def first(events: AsyncIterator[Event], count: int) -> list[Event]:
    """The first `count` events of a stream that goes on."""
    return [await anext(events) for _ in range(count)]
