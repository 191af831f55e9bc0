"""Asking for a session early: when it is done, what the work gets of it, and that nothing stays behind."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest

from scriptgen.domain.errors import NotFoundError, QuotaViolation, ResourceExhaustedError
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.identity import Principal
from scriptgen.rpc.interceptors.call import Call
from scriptgen.stores.protocols import OpenedSession
from scriptgen.v1 import generate_pb2 as pb
from scriptgen.v1 import session_pb2

from .edge import EdgeServer, refused, request, stream_request

SESSION = OpenedSession(None, None, None)
AT_ITS_LIMIT = ResourceExhaustedError(
    "no", reason="QPS_LIMIT_EXCEEDED", retry_after=1, violation=QuotaViolation("t", "8 a second")
)


async def read_at_once(request: GenerationRequest, principal: Principal) -> OpenedSession:
    return SESSION


class Work:
    """A servicer that remembers what it was given."""

    def __init__(self) -> None:
        self.opened: list[OpenedSession | None] = []

    async def __call__(self, message: Any, call: Call) -> pb.GenerateResponse:
        self.opened.append(call.grant.opened)
        assert call.grant.lock is not None
        return pb.GenerateResponse()


async def test_a_free_session_is_taken_and_read_without_a_second_question() -> None:
    async with EdgeServer(generate=(work := Work()), read=read_at_once) as server:
        await server.generating.Generate(request())
        assert work.opened == [SESSION]
        assert server.lock.asked == []
        assert sorted(server.trail.steps[:2]) == ["reserved", "won"]
        assert server.trail.steps[2:] == ["released s1", "settled 0"]
        assert server.lock.abandoned == []


async def test_a_stream_takes_its_session_early_too() -> None:
    async with EdgeServer(read=read_at_once) as server:
        assert len([event async for event in server.generating.GenerateStream(stream_request())]) == 3
        await server.trail.until("settled 0")
        assert server.lock.asked == []
        assert server.trail.steps.count("released s1") == 1


async def test_a_session_that_is_not_free_is_waited_for_and_read_anew() -> None:
    async with EdgeServer(generate=(work := Work()), read=read_at_once) as server:
        server.lock.free = False
        await server.generating.Generate(request())
        assert len(server.lock.asked) == 1
        assert work.opened == [None], "what was read while another held the session is out of date"


async def test_what_cannot_be_read_early_is_left_to_the_work() -> None:
    async def fails(request: GenerationRequest, principal: Principal) -> OpenedSession:
        raise NotFoundError("There is no such session.")

    async with EdgeServer(generate=(work := Work()), read=fails) as server:
        await server.generating.Generate(request())
        assert work.opened == [None]
        assert server.lock.asked == []


async def test_a_refused_request_gives_the_session_back_and_reads_no_further() -> None:
    stopped = asyncio.Event()

    async def endless(request: GenerationRequest, principal: Principal) -> OpenedSession:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError("never set")

    async with EdgeServer(read=endless) as server:
        server.limiter.refusal = AT_ITS_LIMIT
        # Refused before the reading has begun it never begins, so let it begin.
        original = server.limiter.reserve

        async def slow(*arguments: Any, **options: Any) -> Any:
            await server.trail.until("won")
            return await original(*arguments, **options)

        server.limiter.reserve = slow  # type: ignore[method-assign]
        assert (await refused(server.generating.Generate(request()))).reason == "QPS_LIMIT_EXCEEDED"
        assert stopped.is_set()
        (attempt,) = server.lock.abandoned
        lease = await attempt
        assert lease is not None
        assert "released s1" not in server.trail.steps, "giving back is the lock's own business"


async def test_a_tenant_at_its_limits_costs_refusals_and_no_locks() -> None:
    async with EdgeServer(read=read_at_once) as server:
        server.limiter.refusal = AT_ITS_LIMIT
        for _ in range(5):
            await refused(server.generating.Generate(request()))
        assert len(server.lock.attempts) == 1
        server.limiter.refusal = None
        await server.generating.Generate(request())
        assert len(server.lock.attempts) == 1
        await server.generating.Generate(request())
        assert len(server.lock.attempts) == 2


async def test_a_call_without_a_place_gives_the_session_back() -> None:
    async with EdgeServer(read=read_at_once, max_inflight=0) as server:
        assert (await refused(server.generating.Generate(request()))).reason == "QUEUE_FULL"
        assert len(server.lock.abandoned) == 1
        assert server.lock.asked == []


@pytest.mark.parametrize("stuck", ["lock", "read"])
async def test_a_call_cancelled_while_the_session_is_asked_for_gives_it_back(stuck: str) -> None:
    reached = asyncio.Event()
    never = asyncio.Event()

    async def read(request: GenerationRequest, principal: Principal) -> OpenedSession:
        reached.set()
        if stuck == "read":
            await never.wait()
        return SESSION

    async with EdgeServer(read=read) as server:
        if stuck == "lock":
            server.lock._attempt = lambda key: never.wait()  # type: ignore[assignment, method-assign, return-value]
        call = server.generating.Generate(request(), timeout=60)
        await reached.wait()
        await server.trail.until("reserved")
        call.cancel()
        await server.trail.until("settled 0")
        assert len(server.lock.abandoned) == 1
        assert not server.lock.abandoned[0].cancelled()
        never.set()
        await server.lock.abandoned[0]


async def test_only_generations_are_asked_for_early() -> None:
    async with EdgeServer(read=read_at_once) as server:
        await server.generating.RecognizeIntent(pb.RecognizeIntentRequest(session_id="s1", query="写一段"))
        await server.sessions.UpdateSession(session_pb2.UpdateSessionRequest(session_id="s1"))
        assert server.lock.attempts == []


async def test_a_replayed_request_asks_for_no_session() -> None:
    async with EdgeServer(read=read_at_once) as server:
        server.known.events["request-1"] = ()
        with pytest.raises(grpc.aio.AioRpcError):  # a replay without a result, which is enough here
            await server.generating.Generate(request(request_id="request-1"))
        assert server.lock.attempts == []
