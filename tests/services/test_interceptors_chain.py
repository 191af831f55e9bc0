"""The chain as callers and operators see it: order, unwinding, bypass."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scriptgen.domain.errors import NotFoundError
from scriptgen.domain.generation import GenerationResult, ScriptDelta, SequencedEvent
from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.rpc.interceptors.call import Call, current_call, current_trace_id
from scriptgen.rpc.interceptors.chain import ORDER, ChainOrderError, Interceptor, verify_chain
from scriptgen.v1 import generate_pb2 as pb
from scriptgen.v1 import session_pb2

from .edge import EdgeServer, refused, refused_stream, request, stream_request

NAMES = [name for name, _ in ORDER]
RESULT = GenerationResult("r-00000001", "t", "s1", GenerationStatus.COMPLETED, reply="好")


def test_the_documented_order_is_accepted() -> None:
    verify_chain(NAMES)


@pytest.mark.parametrize("left_out", NAMES)
def test_a_chain_without_a_link_does_not_start(left_out: str) -> None:
    with pytest.raises(ChainOrderError, match=left_out):
        verify_chain([name for name in NAMES if name != left_out])


@pytest.mark.parametrize("place", range(len(NAMES) - 1))
def test_two_links_in_each_others_place_do_not_start(place: int) -> None:
    names = [*NAMES]
    names[place], names[place + 1] = names[place + 1], names[place]
    with pytest.raises(ChainOrderError, match=NAMES[place]):
        verify_chain(names)


def test_an_unknown_link_does_not_start() -> None:
    with pytest.raises(ChainOrderError, match="cache"):
        verify_chain([*NAMES, "cache"])


async def test_a_server_with_links_in_the_wrong_order_does_not_start() -> None:
    server = EdgeServer(rearrange=lambda links: links.reverse())
    with pytest.raises(ChainOrderError):
        await server.__aenter__()


async def test_a_link_that_does_nothing_is_a_mistake_and_not_a_link() -> None:
    class Quota(Interceptor):
        name = "quota"

        async def entered(self, call: Call) -> None:
            """A name that nobody calls."""

    def forget(links: list[Interceptor]) -> None:
        links[NAMES.index("quota")] = Quota()

    server = EdgeServer(rearrange=forget)
    with pytest.raises(ChainOrderError, match="'quota' does nothing"):
        await server.__aenter__()


async def test_a_call_takes_quota_then_lock_and_gives_them_back_in_reverse() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        await server.trail.add("work")
        return pb.GenerateResponse()

    async with EdgeServer(generate=work) as server:
        await server.generating.Generate(request())
        assert server.trail.steps == ["reserved", "locked", "work", "released s1", "settled 0"]


async def test_a_stream_holds_its_lock_until_its_last_message_is_sent() -> None:
    async def work(message: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
        for sequence in (1, 2):
            await server.trail.add(f"event {sequence}")
            yield pb.GenerateStreamResponse(sequence=sequence)

    async with EdgeServer(stream=work) as server:
        events = [event.sequence async for event in server.generating.GenerateStream(stream_request())]
        await server.trail.until("settled 0")
        assert events == [1, 2]
        assert server.trail.steps == ["reserved", "locked", "event 1", "event 2", "released s1", "settled 0"]


async def test_a_failing_servicer_gives_everything_back() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        raise NotFoundError("There is no such session.")

    async with EdgeServer(generate=work) as server:
        assert (await refused(server.generating.Generate(request()))).reason == "SESSION_NOT_FOUND"
        assert server.trail.steps == ["reserved", "locked", "released s1", "settled 0"]
        assert server.admission.running == 0


async def test_a_stream_that_fails_midway_gives_everything_back_after_what_it_sent() -> None:
    async def work(message: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
        yield pb.GenerateStreamResponse(sequence=1)
        raise NotFoundError("There is no such session.")

    async with EdgeServer(stream=work) as server:
        received: list[int] = []
        refusal = await refused_stream(server.generating.GenerateStream(stream_request()), received)
        assert refusal.reason == "SESSION_NOT_FOUND"
        assert received == [1]
        await server.trail.until("released s1", "settled 0")


async def test_a_cancelled_call_gives_everything_back() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        await server.trail.add("work")
        await asyncio.Event().wait()
        raise AssertionError("never set")

    async with EdgeServer(generate=work) as server:
        call = server.generating.Generate(request(), timeout=60)
        await server.trail.until("work")
        call.cancel()
        await server.trail.until("released s1", "settled 0")
        await asyncio.wait_for(server.admission.idle(), 5)
        assert server.trail.steps[-2:] == ["released s1", "settled 0"]
        assert _handled(server, "Generate", "CANCELLED") == 1


async def test_a_stream_cancelled_while_its_reader_sleeps_closes_the_servicer_and_gives_everything_back() -> (
    None
):
    async def work(message: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
        try:
            sequence = 0
            while True:
                sequence += 1
                yield pb.GenerateStreamResponse(sequence=sequence, delta=pb.ScriptDelta(text="字" * 20000))
                if sequence == 5:
                    await server.trail.add("flowing")
        finally:
            await server.trail.add("servicer closed")

    async with EdgeServer(stream=work) as server:
        call = server.generating.GenerateStream(stream_request())
        await call.read()
        call.cancel()
        await server.trail.until("servicer closed", "released s1", "settled 0")
        await asyncio.wait_for(server.admission.idle(), 5)
        closed = server.trail.steps.index("servicer closed")
        assert server.trail.steps[closed:] == ["servicer closed", "released s1", "settled 0"]


async def test_calls_cancelled_at_any_moment_leave_nothing_held() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        for _ in range(5):
            await asyncio.sleep(0)
        return pb.GenerateResponse()

    async with EdgeServer(generate=work, max_inflight=1000) as server:
        random = Random(7)
        for _ in range(150):
            call = server.generating.Generate(request())
            done, _ = await asyncio.wait(
                [asyncio.ensure_future(_outcome(call))], timeout=random.uniform(0, 0.004)
            )
            if not done:
                call.cancel()
        await server.trail.balanced(("reserved", "settled 0"), ("locked", "released s1"))
        await asyncio.wait_for(server.admission.idle(), 5)
        assert "locked" in server.trail.steps


async def _outcome(call: Any) -> None:
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
        await call


async def test_a_deadline_gives_everything_back_and_is_counted_as_one() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        assert call.deadline is not None
        await asyncio.Event().wait()
        raise AssertionError("never set")

    async with EdgeServer(generate=work) as server:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await server.generating.Generate(request(), timeout=0.2)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await server.trail.until("released s1", "settled 0")
        await asyncio.wait_for(server.admission.idle(), 5)
        assert _handled(server, "Generate", "DEADLINE_EXCEEDED") == 1


async def test_a_grant_that_was_taken_over_is_left_alone() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        call.grant.taken = True
        await server.trail.add("taken")
        return pb.GenerateResponse()

    async with EdgeServer(generate=work) as server:
        await server.generating.Generate(request())
        assert server.trail.steps == ["reserved", "locked", "taken"]


async def test_the_wait_for_a_lock_is_bounded_by_the_deadline() -> None:
    async with EdgeServer(lock_timeout=8.0) as server:
        await server.generating.Generate(request())
        await server.generating.Generate(request(), timeout=3)
        (_, without), (_, within) = server.lock.asked
        assert without == 8.0
        assert 2 < within < 3.5


async def test_only_calls_that_write_to_a_session_take_its_lock() -> None:
    async with EdgeServer() as server:
        await server.sessions.GetSession(session_pb2.GetSessionRequest(session_id="s2"))
        await server.generating.RecognizeIntent(pb.RecognizeIntentRequest(query="写一段"))
        assert server.lock.asked == []
        await server.sessions.UpdateSession(session_pb2.UpdateSessionRequest(session_id="s2"))
        assert [key.session_id for key, _ in server.lock.asked] == ["s2"]


async def test_only_calls_that_may_use_a_model_are_charged() -> None:
    async with EdgeServer() as server:
        await server.sessions.GetSession(session_pb2.GetSessionRequest(session_id="s2"))
        assert server.limiter.asked == []
        await server.generating.RecognizeIntent(pb.RecognizeIntentRequest(query="写一段"))
        await server.generating.Generate(request(query="一二三"))
        assert [tokens for _, _, tokens in server.limiter.asked] == [200, 3]


async def test_a_known_request_is_answered_without_quota_lock_or_servicer() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        raise AssertionError("ran again")

    async with EdgeServer(generate=work) as server:
        server.known.events["r-00000001"] = [SequencedEvent(1, RESULT)]
        answer = await server.generating.Generate(request(request_id="r-00000001"))
        assert answer.result.replayed
        assert answer.result.reply == "好"
        assert server.trail.steps == []
        assert server.known.closed == 1


async def test_a_known_stream_is_replayed_after_the_sequence_asked_for() -> None:
    async with EdgeServer() as server:
        server.known.events["r-00000001"] = [
            SequencedEvent(1, ScriptDelta(0, "大家好")),
            SequencedEvent(2, ScriptDelta(0, "欢迎")),
            SequencedEvent(3, RESULT),
        ]
        call = server.generating.GenerateStream(
            stream_request(request_id="r-00000001", resume_after_sequence=1)
        )
        assert [event.sequence async for event in call] == [2, 3]
        assert server.known.asked[0][2] == 1
        assert server.known.closed == 1
        assert server.trail.steps == []


async def test_an_unknown_request_is_run() -> None:
    async with EdgeServer() as server:
        await server.generating.Generate(request(request_id="r-00000002"))
        assert [asked[0].request_id for asked in server.known.asked] == ["r-00000002"]
        assert "locked" in server.trail.steps


async def test_more_generations_than_places_are_refused_with_a_time_to_come_back() -> None:
    release = asyncio.Event()

    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        await server.trail.add("work")
        await release.wait()
        return pb.GenerateResponse()

    async with EdgeServer(generate=work, max_inflight=1) as server:
        first = server.generating.Generate(request())
        await server.trail.until("work")
        refusal = await refused(server.generating.Generate(request()))
        release.set()
        await first
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal.reason == "QUEUE_FULL"
        assert refusal.details["RetryInfo"].retry_delay.seconds == 1
        assert refusal.details["QuotaFailure"].violations[0].subject == "inflight"
        assert refusal.trailing["grpc-retry-pushback-ms"] == "1000"
        await server.generating.Generate(request())


async def test_a_draining_instance_begins_nothing_and_lets_running_calls_end() -> None:
    release = asyncio.Event()

    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        await server.trail.add("work")
        await release.wait()
        return pb.GenerateResponse()

    async with EdgeServer(generate=work) as server:
        first = server.generating.Generate(request())
        await server.trail.until("work")
        server.admission.begin_drain()
        refusal = await refused(server.generating.Generate(request()))
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
        assert refusal.reason == "DRAINING"
        assert refusal.details["RetryInfo"].retry_delay.seconds == 1
        idle = asyncio.create_task(server.admission.idle())
        assert not idle.done()
        release.set()
        await first
        await asyncio.wait_for(idle, 5)


async def test_health_answers_without_credentials_and_without_the_inner_chain() -> None:
    async with EdgeServer() as server:
        server.admission.begin_drain()
        stub = health_pb2_grpc.HealthStub(server.channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()
        assert "x-trace-id" not in dict(await stub.Check(health_pb2.HealthCheckRequest()).initial_metadata())


async def test_an_unknown_health_service_keeps_its_own_code() -> None:
    async with EdgeServer() as server:
        stub = health_pb2_grpc.HealthStub(server.channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nothing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    name = {"grpc_type": "unary", "grpc_service": "grpc.health.v1.Health", "grpc_method": "Check"}
    count = server.metrics.registry.get_sample_value(
        "grpc_server_handled_total", {**name, "grpc_code": "NOT_FOUND"}
    )
    assert count == 1


async def test_an_unknown_method_is_unimplemented_and_makes_no_label() -> None:
    async with EdgeServer() as server:
        nothing: Any = server.channel.unary_unary("/scriptgen.v1.GenerateService/Nothing")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await nothing(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        assert b"Nothing" not in server.metrics.render()


async def test_the_call_is_known_to_the_servicer_and_to_tasks_it_starts() -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        async def inner() -> str:
            return current_trace_id()

        assert current_call() is call
        return pb.GenerateResponse(result=pb.GenerationResult(reply=await asyncio.create_task(inner())))

    async with EdgeServer(generate=work) as server:
        answer = await server.generating.Generate(request(), metadata=[("x-trace-id", "abc-123")])
        assert answer.result.reply == "abc-123"


def test_outside_of_a_call_there_is_no_call() -> None:
    with pytest.raises(LookupError):
        current_call()
    assert current_trace_id() == ""


async def test_calls_and_messages_are_counted() -> None:
    async with EdgeServer() as server:
        await server.generating.Generate(request())
        async for _ in server.generating.GenerateStream(stream_request()):
            pass
        await server.trail.until("settled 0")
        await asyncio.wait_for(server.admission.idle(), 5)
        name = {"grpc_service": "scriptgen.v1.GenerateService"}
        value = server.metrics.registry.get_sample_value
        assert _handled(server, "Generate", "OK") == 1
        assert (
            value("grpc_server_started_total", {**name, "grpc_type": "unary", "grpc_method": "Generate"}) == 1
        )
        stream = {**name, "grpc_type": "server_stream", "grpc_method": "GenerateStream"}
        assert value("grpc_server_msg_sent_total", stream) == 3
        assert value("grpc_server_handling_seconds_count", stream) == 1


def _handled(server: EdgeServer, method: str, code: str) -> float | None:
    labels = {"grpc_type": "unary", "grpc_service": "scriptgen.v1.GenerateService", "grpc_method": method}
    return server.metrics.registry.get_sample_value(
        "grpc_server_handled_total", {**labels, "grpc_code": code}
    )
