"""Callers: each with a session of its own, one call after the other, as the budget in docs defines it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import grpc

from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc, types_pb2

QUERY = "写一段直播带货的产品介绍"
_CALL_SECONDS = 120.0


@dataclass(slots=True)
class Measured:
    """Seconds per call and to the first delta, and the longest pause between two deltas of a stream."""

    calls: int = 0
    failed: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first_deltas: list[float] = field(default_factory=list)
    longest_stall: float = 0.0


async def open_sessions(channel: grpc.aio.Channel, count: int) -> list[str]:
    stub = session_pb2_grpc.SessionServiceStub(channel)
    request = session_pb2.CreateSessionRequest(
        influencer=types_pb2.Influencer(name="林小满"),
        category="美妆",
        product=types_pb2.Product(name="桃桃唇釉", price="59.9元", selling_points=["显白", "不沾杯"]),
    )
    return [(await stub.CreateSession(request)).session.session_id for _ in range(count)]


async def unary(target: str, *, callers: int, calls: int) -> Measured:
    """`calls` Generate calls over all callers."""
    async with grpc.aio.insecure_channel(target) as channel:
        sessions = await open_sessions(channel, callers)
        return await generate_in(channel, sessions, calls // callers, Measured())


async def generate_in(
    channel: grpc.aio.Channel, sessions: list[str], calls: int, measured: Measured
) -> Measured:
    """`calls` Generate calls in each of `sessions`, all sessions at once, added to `measured`."""

    async def caller(stub: generate_pb2_grpc.GenerateServiceAsyncStub, session: str, count: int) -> None:
        for _ in range(count):
            started = time.perf_counter()
            try:
                await stub.Generate(
                    generate_pb2.GenerateRequest(session_id=session, query=QUERY), timeout=_CALL_SECONDS
                )
            except grpc.aio.AioRpcError:
                measured.failed += 1
                continue
            measured.calls += 1
            measured.latencies.append(time.perf_counter() - started)

    stub = generate_pb2_grpc.GenerateServiceStub(channel)
    started = time.perf_counter()
    await asyncio.gather(*(caller(stub, session, calls) for session in sessions))
    measured.seconds += time.perf_counter() - started
    return measured


async def streaming(target: str, *, callers: int, calls: int) -> Measured:
    """`calls` GenerateStream calls over all callers."""
    measured = Measured()

    async def caller(stub: generate_pb2_grpc.GenerateServiceAsyncStub, session: str, count: int) -> None:
        for _ in range(count):
            started = last = time.perf_counter()
            first = 0.0
            ended = False
            try:
                stream = stub.GenerateStream(
                    generate_pb2.GenerateStreamRequest(session_id=session, query=QUERY),
                    timeout=_CALL_SECONDS,
                )
                async for event in stream:
                    now = time.perf_counter()
                    kind = event.WhichOneof("event")
                    if kind == "delta":
                        if first:
                            measured.longest_stall = max(measured.longest_stall, now - last)
                        first = first or now
                        last = now
                    ended = kind == "result"
            except grpc.aio.AioRpcError:
                pass
            if not ended:
                measured.failed += 1
                continue
            measured.calls += 1
            measured.latencies.append(time.perf_counter() - started)
            measured.first_deltas.append(first - started)

    async with grpc.aio.insecure_channel(target) as channel:
        stub = generate_pb2_grpc.GenerateServiceStub(channel)
        sessions = await open_sessions(channel, callers)
        started = time.perf_counter()
        await asyncio.gather(*(caller(stub, session, calls // callers) for session in sessions))
        measured.seconds = time.perf_counter() - started
    return measured


async def fill(target: str, *, sessions: int = 0, turns: int = 0) -> None:
    """Store `sessions` more sessions, or one session of `turns` turns, before something is measured."""
    async with grpc.aio.insecure_channel(target) as channel:
        if sessions:
            step = 50
            for _ in range(0, sessions, step):
                await asyncio.gather(*(open_sessions(channel, 1) for _ in range(step)))
        if turns:
            stub = generate_pb2_grpc.GenerateServiceStub(channel)
            session = (await open_sessions(channel, 1))[0]
            for _ in range(turns):
                await stub.Generate(generate_pb2.GenerateRequest(session_id=session, query=QUERY))
