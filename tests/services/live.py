"""A real server in this process on a free port, with the client stubs a backend team would generate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from scriptgen.server import Server
from scriptgen.settings import load_settings
from scriptgen.v1 import (
    checkpoint_pb2_grpc,
    generate_pb2,
    generate_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    status_pb2_grpc,
    types_pb2,
)

LIPSTICK = types_pb2.Product(name="桃桃唇釉", price="59.9元", selling_points=["显白", "不沾杯"])
XIAOMAN = types_pb2.Influencer(name="林小满", style=types_pb2.Style(catchphrases=["听我说"]))


@dataclass(slots=True)
class Live:
    server: Server
    channel: grpc.aio.Channel
    target: str
    sessions: session_pb2_grpc.SessionServiceAsyncStub
    generation: generate_pb2_grpc.GenerateServiceAsyncStub
    checkpoints: checkpoint_pb2_grpc.CheckpointServiceAsyncStub
    status: status_pb2_grpc.StatusServiceAsyncStub

    async def session(self, metadata: Any = None, **fields: Any) -> str:
        request = session_pb2.CreateSessionRequest(
            **{"influencer": XIAOMAN, "category": "美妆", "product": LIPSTICK, **fields}
        )
        return (await self.sessions.CreateSession(request, metadata=metadata)).session.session_id

    async def blank_session(self) -> str:
        return (await self.sessions.CreateSession(session_pb2.CreateSessionRequest())).session.session_id

    async def generate(self, session: str, query: str, **fields: Any) -> generate_pb2.GenerationResult:
        request = generate_pb2.GenerateRequest(session_id=session, query=query, **fields)
        return (await self.generation.Generate(request, timeout=30)).result

    async def stream(
        self, session: str, query: str, **fields: Any
    ) -> list[generate_pb2.GenerateStreamResponse]:
        request = generate_pb2.GenerateStreamRequest(session_id=session, query=query, **fields)
        return [event async for event in self.generation.GenerateStream(request, timeout=30)]


@asynccontextmanager
async def live(**environment: str) -> AsyncIterator[Live]:
    """Settings as environment variables, on top of a server that drains at once."""
    settings = load_settings(
        {
            "GRPC_LISTEN": "127.0.0.1:0",
            "METRICS_LISTEN": "",
            "DRAIN_DELAY_SECONDS": "0",
            "DRAIN_GRACE_SECONDS": "5",
            "CORE_RATE_QPS_PER_TENANT": "1000",
            "CORE_RATE_TOKENS_PER_MIN": "10000000",
            **environment,
        }
    )
    server = Server(settings)
    await server.start()
    target = f"127.0.0.1:{server.port}"
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            yield Live(
                server,
                channel,
                target,
                session_pb2_grpc.SessionServiceStub(channel),
                generate_pb2_grpc.GenerateServiceStub(channel),
                checkpoint_pb2_grpc.CheckpointServiceStub(channel),
                status_pb2_grpc.StatusServiceStub(channel),
            )
    finally:
        await server.stop()


def details(error: grpc.aio.AioRpcError) -> dict[str, Message]:
    """The error's details by type name; a type that stands there twice fails the test."""
    found: dict[str, Message] = {}
    status = rpc_status.from_call(error)
    assert status is not None, "every error carries google.rpc.Status"
    for packed in status.details:
        name = packed.TypeName().rsplit(".", 1)[1]
        message = getattr(error_details_pb2, name)()
        packed.Unpack(message)
        assert name not in found, f"{name} stands twice"
        found[name] = message
    return found


async def refused(call: Any, code: grpc.StatusCode, reason: str) -> dict[str, Message]:
    """Await a call that must fail with `code` and `reason`; its details."""
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        assert error.code() is code, f"{error.code()}: {error.details()}"
        found = details(error)
        info: Any = found["ErrorInfo"]
        assert (info.reason, info.domain) == (reason, "scriptgen")
        return found
    raise AssertionError(f"the call succeeded; {code.name} {reason} was expected")


def deltas(events: list[generate_pb2.GenerateStreamResponse]) -> dict[int, str]:
    """What a reader has on the screen at the end, by script."""
    shown: dict[int, str] = {}
    for event in events:
        if event.HasField("delta"):
            shown[event.delta.script_index] = shown.get(event.delta.script_index, "") + event.delta.text
        elif event.HasField("reset"):
            shown.pop(event.reset.script_index, None)
    return shown


def assert_whole(
    events: list[generate_pb2.GenerateStreamResponse], first: int = 1
) -> generate_pb2.GenerationResult:
    """The contract of every successful stream."""
    assert [event.sequence for event in events] == list(range(first, first + len(events)))
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.count("result") == 1
    assert kinds[-1] == "result"
    result = events[-1].result
    shown = deltas(events)
    for index, script in enumerate(result.scripts):
        assert shown[index] == script.content
    return result


async def until_idle(server: Server) -> None:
    async with asyncio.timeout(2):
        while server.app.orchestrator.running:
            await asyncio.sleep(0.01)
