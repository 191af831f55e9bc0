"""Callers that leave, or whose time is over, while a model writes: the model stops at once and nothing stays."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import AsyncIterable, Callable
from typing import Any

import grpc
import pytest

from scriptgen.domain.errors import DeadlineExceededError
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.rpc.auth.authenticator import DEVELOPMENT_TENANT
from scriptgen.v1 import checkpoint_pb2, generate_pb2, types_pb2
from tests.broken_upstreams import HALF
from tests.leftovers import Held, until_free
from tests.stalls import watched
from tests.unit.workflow.kit import request as wanted
from tests.upstream import SCRIPT, Behaviour, FakeUpstream, chunk, hangs, says, writes

from .live import assert_whole, until_idle
from .modelled import OPENING, modelled, stored

COMPLETED = types_pb2.GENERATION_STATUS_COMPLETED
#: Longer than any deadline here: what ends a call is the caller's time alone.
PATIENT = {
    "LLM_FIRST_TOKEN_TIMEOUT_SECONDS": "20",
    "LLM_IDLE_TIMEOUT_SECONDS": "20",
    "LLM_TOTAL_TIMEOUT_SECONDS": "60",
    "LLM_FALLBACK_ENABLED": "false",
}
DEADLINE = 0.4
LATE: dict[str, Callable[[], Behaviour]] = {
    "before-headers": hangs,
    "before-the-first-text": lambda: hangs(""),
    "between-chunks": lambda: hangs(HALF),
    "while-writing": lambda: says(SCRIPT * 40, pace=0.01),
    "before-the-end": lambda: writes(chunk(SCRIPT), *[b": alive\n\n"] * 400, pace=0.01),
}


async def drained(call: AsyncIterable[generate_pb2.GenerateStreamResponse]) -> None:
    async for _ in call:
        pass


@pytest.mark.timing
async def test_a_callers_leaving_closes_the_connection_to_the_model_at_once(
    record_property: Callable[[str, object], None],
) -> None:
    waits: list[float] = []
    loop = asyncio.get_running_loop()
    async with FakeUpstream(says(SCRIPT * 40, pace=0.002)) as primary, modelled(primary.url) as running:
        for number in range(30):
            session = await running.session()
            request = generate_pb2.GenerateStreamRequest(session_id=session, query=OPENING)
            call = running.generation.GenerateStream(request)
            async for item in call:
                if item.HasField("delta"):
                    break
            assert len(primary.calls) == number + 1
            left = loop.time()
            call.cancel()
            await asyncio.wait_for(primary.calls[-1].gone.wait(), 2)
            waits.append(primary.calls[-1].gone_at - left)
        await until_idle(running.server)
        assert running.server.app.admission.running == 0
    waits.sort()
    record_property("leaving_to_upstream_closed_ms", [round(wait * 1000, 2) for wait in waits])
    assert statistics.median(waits) <= 0.05
    assert waits[-1] <= 0.5  # a loaded machine may be late once; it must not be a timer


@pytest.mark.timing
@pytest.mark.parametrize("streamed", [False, True], ids=["unary", "stream"])
@pytest.mark.parametrize("name", LATE)
async def test_a_deadline_stops_the_model_gives_everything_back_and_stores_no_part_as_whole(
    name: str, streamed: bool
) -> None:
    loop = asyncio.get_running_loop()
    async with FakeUpstream(LATE[name]()) as primary, modelled(primary.url, **PATIENT) as running:
        session = await running.session()
        asked: dict[str, Any] = {"session_id": session, "query": OPENING, "request_id": "request-0001"}
        async with watched() as stalls:
            until = loop.time() + DEADLINE
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await (
                    drained(
                        running.generation.GenerateStream(
                            generate_pb2.GenerateStreamRequest(**asked), timeout=DEADLINE
                        )
                    )
                    if streamed
                    else running.generation.Generate(generate_pb2.GenerateRequest(**asked), timeout=DEADLINE)
                )
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.wait_for(primary.calls[-1].gone.wait(), 2)
            assert primary.calls[-1].gone_at - until < 0.25 + stalls.longest
        await until_free(running, primary)
        kept = await stored(running, session)
        assert (list(kept.scripts), list(kept.turns)) == ([], [])
        latest = checkpoint_pb2.GetLatestCheckpointRequest(session_id=session)
        record = (await running.checkpoints.GetLatestCheckpoint(latest)).checkpoint
        assert record.status == checkpoint_pb2.CHECKPOINT_STATUS_CANCELLED
        assert HALF[:30] not in str(record.state)

        primary.answers = [says()]
        again = assert_whole(await running.stream(session, OPENING, request_id="request-0001"))
        assert (again.status, again.scripts[0].content, again.replayed) == (COMPLETED, SCRIPT, False)


@pytest.mark.timing
@pytest.mark.parametrize("name", LATE)
async def test_a_deadline_that_the_service_sees_first_is_told_as_one(name: str) -> None:
    """gRPC's own timer is not there to answer before the service does."""
    tenant, held = Principal(DEVELOPMENT_TENANT), Held()
    async with FakeUpstream(LATE[name]()) as primary, modelled(primary.url, **PATIENT) as running:
        key = SessionKey(tenant.tenant_id, await running.session())
        deadline = asyncio.get_running_loop().time() + DEADLINE
        with pytest.raises(DeadlineExceededError):
            await running.server.app.orchestrator.handle_request(
                wanted(key, OPENING), tenant, held.grant(), deadline=deadline
            )
        await until_free(running, primary)
    assert held.released == 1
    shows = not name.startswith("before-headers") and not name.startswith("before-the-first")
    assert [bool(tokens) for tokens in held.settled] == [shows]


@pytest.mark.timing
@pytest.mark.parametrize("timeout", [20.0, None], ids=["a-later-deadline", "no-deadline"])
async def test_who_joins_with_more_time_gets_a_whole_script_after_the_first_callers_deadline(
    timeout: float | None,
) -> None:
    async with FakeUpstream(says(pace=0.02)) as primary, modelled(primary.url, **PATIENT) as running:
        session = await running.session()
        asked: dict[str, Any] = {"session_id": session, "query": OPENING, "request_id": "request-0001"}
        request = generate_pb2.GenerateStreamRequest(**asked)
        first = asyncio.create_task(drained(running.generation.GenerateStream(request, timeout=DEADLINE)))
        await asyncio.sleep(DEADLINE / 2)
        assert len(primary.calls) == 1
        seen = [item async for item in running.generation.GenerateStream(request, timeout=timeout)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await first
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        result = assert_whole(seen)
        assert (result.status, result.scripts[0].content) == (COMPLETED, SCRIPT)
        assert len(primary.calls) == 2  # the one of the first caller's time, and the one that was whole
        await until_free(running, primary)


async def test_a_cancelled_generation_of_another_call_frees_the_model() -> None:
    async with FakeUpstream(says(SCRIPT * 40, pace=0.01)) as primary, modelled(primary.url) as running:
        session = await running.session()
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query=OPENING, request_id="request-0001"
        )
        call = running.generation.GenerateStream(request)
        events = []
        async for item in call:
            events.append(item)
            if item.HasField("delta"):
                break
        cancel = generate_pb2.CancelGenerationRequest(session_id=session, request_id="request-0001")
        assert (await running.generation.CancelGeneration(cancel)).cancelled
        await asyncio.wait_for(primary.calls[-1].gone.wait(), 1)
        events += [item async for item in call]
        assert events[-1].result.status == types_pb2.GENERATION_STATUS_CANCELLED
        assert not (await stored(running, session)).scripts
