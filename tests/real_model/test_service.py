"""The whole service in front of a real model server. The model is too small to write a good script; so what it
writes is reviewed, written again and at last replaced, and the promises of the contract hold all the way.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import grpc
import pytest

from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import ChatMessage, CompletionRequest
from scriptgen.llm.timed_response import Timers
from scriptgen.v1 import generate_pb2, session_pb2, status_pb2, types_pb2
from tests.services.live import Live, assert_whole, live, refused, until_idle

from .speed import freed_within

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(300)]

FINISHED = {types_pb2.GENERATION_STATUS_COMPLETED, types_pb2.GENERATION_STATUS_DEGRADED}
OPENING = "写一段开场话术"
#: Keeps a script that fails its review short: what is asserted does not depend on its length.
SHORT = generate_pb2.GenerationParameters(max_tokens=64, temperature=0.7)
#: More than the model writes within any of these tests.
LONG = generate_pb2.GenerationParameters(max_tokens=3000, temperature=0.7)


@pytest.fixture
async def service(llama_url: str) -> AsyncIterator[Live]:
    async with live(
        VLLM_BASE_URL=llama_url,
        VLLM_MODEL="smollm2",
        QUALITY_MAX_RETRIES="1",
        LLM_FIRST_TOKEN_TIMEOUT_SECONDS="100",
        METRICS_LISTEN="127.0.0.1:0",
        STREAM_FLUSH_MS="0",
    ) as running:
        yield running


@pytest.fixture
async def model(llama_url: str) -> AsyncIterator[OpenAIBackend]:
    """A way to the model past the service, to see whether it is free: it has one place."""
    backend = OpenAIBackend(
        "direct", llama_url, "smollm2", timers=Timers(connect=5, first_token=100, idle=60, total=120)
    )
    yield backend
    await backend.close()


async def answer_seconds(model: OpenAIBackend) -> float:
    """How long one token takes; with the model busy, as long as that lasts."""
    start = asyncio.get_running_loop().time()
    request = CompletionRequest((ChatMessage("user", "Hi"),), max_tokens=1)
    async with aclosing(model.stream(request)) as events:
        async for _ in events:
            pass
    return asyncio.get_running_loop().time() - start


async def until_busy(model: OpenAIBackend, alone: float) -> None:
    """Until the service holds the model's only place: another call waits."""
    for _ in range(20):
        try:
            await asyncio.wait_for(answer_seconds(model), 2 * alone + 1.0)
        except TimeoutError:
            return
    raise AssertionError("the service never asked the model")


async def calls_of(running: Live) -> float:
    """Model calls of the service so far, from its metrics."""
    url = f"http://127.0.0.1:{running.server.metrics_port}/metrics"
    with await asyncio.to_thread(urllib.request.urlopen, url, None, 5) as response:
        lines = str(response.read(), "utf-8").splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith("scriptgen_llm_requests_total{") and 'backend="vllm"' in line
    )


def assert_lawful(result: generate_pb2.GenerationResult) -> None:
    assert result.status in FINISHED
    assert result.scripts
    assert result.quality.passed
    assert result.attempts >= 1
    assert result.usage.prompt_tokens > 50
    assert result.usage.completion_tokens > 0
    weaker = [script for script in result.scripts if script.backend != "vllm"]
    assert not weaker or result.status == types_pb2.GENERATION_STATUS_DEGRADED
    assert bool(result.warnings) is (result.status == types_pb2.GENERATION_STATUS_DEGRADED)


def summary(result: generate_pb2.GenerationResult) -> str:
    status = types_pb2.GenerationStatus.Name(result.status).removeprefix("GENERATION_STATUS_")
    tokens = f"{result.usage.prompt_tokens}+{result.usage.completion_tokens} tokens"
    return f"{status}, {result.backend}, {result.attempts} attempts, {tokens}: {result.scripts[0].content}"


async def test_generate_asks_the_model_and_delivers_what_passes_its_review(
    service: Live, tell: Callable[[str], None]
) -> None:
    session = await service.session()
    result = await service.generate(session, OPENING, parameters=SHORT)
    tell(f"Generate: {summary(result)}")
    assert_lawful(result)
    assert await calls_of(service) >= 1
    request = generate_pb2.ReviewScriptRequest(text=result.scripts[0].content, category="美妆")
    assert (await service.generation.ReviewScript(request)).quality.passed
    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert [script.content for script in stored.scripts] == [result.scripts[0].content]
    again = await service.generate(session, "再来一段", parameters=SHORT)
    assert_lawful(again)
    assert again.intent.continuation


async def test_a_stream_of_a_real_model_is_whole_and_can_be_read_again(
    service: Live, tell: Callable[[str], None]
) -> None:
    session = await service.session()
    events = await service.stream(session, OPENING, parameters=SHORT, request_id="request-0001")
    result = assert_whole(events)
    tell(f"GenerateStream, {len(events)} events: {summary(result)}")
    assert_lawful(result)
    stages = [event.stage.stage for event in events if event.HasField("stage")]
    assert stages[0] == types_pb2.STAGE_CONTEXT_LOADING
    assert types_pb2.STAGE_SCRIPT_GENERATING in stages
    before = await calls_of(service)
    replayed = assert_whole(
        await service.stream(session, OPENING, parameters=SHORT, request_id="request-0001")
    )
    assert replayed.scripts == result.scripts
    assert await calls_of(service) == before, "the model is not asked again"


async def test_a_batch_asks_the_model_for_each_script(service: Live) -> None:
    session = await service.session()
    before = await calls_of(service)
    result = assert_whole(await service.stream(session, "开场、下播各来一段", parameters=SHORT))
    assert_lawful(result)
    assert [script.sub_scenario for script in result.scripts] == ["开场话术", "下播话术"]
    assert await calls_of(service) >= before + 2


async def test_leaving_a_stream_frees_the_model(service: Live, model: OpenAIBackend) -> None:
    alone, bound = await answer_seconds(model), await freed_within(model, LONG.max_tokens)
    session = await service.session()
    request = generate_pb2.GenerateStreamRequest(session_id=session, query=OPENING, parameters=LONG)
    call = service.generation.GenerateStream(request)
    await call.read()
    await until_busy(model, alone)
    call.cancel()
    assert await answer_seconds(model) < alone + bound
    await until_idle(service.server)


async def test_cancelling_a_unary_generation_frees_the_model(service: Live, model: OpenAIBackend) -> None:
    alone, bound = await answer_seconds(model), await freed_within(model, LONG.max_tokens)
    session = await service.session()
    request = generate_pb2.GenerateRequest(
        session_id=session, query=OPENING, parameters=LONG, request_id="request-0001"
    )
    running = asyncio.ensure_future(service.generation.Generate(request, timeout=110))
    cancel = generate_pb2.CancelGenerationRequest(session_id=session, request_id="request-0001")
    await until_busy(model, alone)
    assert (await service.generation.CancelGeneration(cancel)).cancelled
    assert (await running).result.status == types_pb2.GENERATION_STATUS_CANCELLED
    assert await answer_seconds(model) < alone + bound


async def test_a_deadline_frees_the_model(service: Live, model: OpenAIBackend) -> None:
    """Whether the template writer still answers in time depends on whether the model had begun to write."""
    bound = await freed_within(model, LONG.max_tokens)
    session = await service.session()
    request = generate_pb2.GenerateRequest(session_id=session, query=OPENING, parameters=LONG)
    try:
        result = (await service.generation.Generate(request, timeout=2)).result
    except grpc.aio.AioRpcError as error:
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    else:
        assert (result.status, result.backend) == (types_pb2.GENERATION_STATUS_DEGRADED, "template")
    assert await answer_seconds(model) < bound
    await until_idle(service.server)


async def test_the_model_understands_what_the_rules_leave_open_within_its_schema(llama_url: str) -> None:
    async with live(
        VLLM_BASE_URL=llama_url,
        VLLM_MODEL="smollm2",
        INTENT_LLM_THRESHOLD="1",
        METRICS_LISTEN="127.0.0.1:0",
        LLM_FIRST_TOKEN_TIMEOUT_SECONDS="100",
    ) as running:
        session = await running.session()
        before = await calls_of(running)
        for query in ("口红", "来个能留住人的"):
            request = generate_pb2.RecognizeIntentRequest(session_id=session, query=query)
            recognized = await running.generation.RecognizeIntent(request, timeout=110)
            assert recognized.intent.type != types_pb2.INTENT_TYPE_UNSPECIFIED
            assert 0 <= recognized.intent.confidence <= 1
            assert bool(recognized.intent.missing_slots) is recognized.HasField("clarification")
        assert await calls_of(running) > before


async def test_without_a_fallback_a_model_that_cannot_write_is_an_error_and_stores_nothing(
    llama_url: str,
) -> None:
    """Twelve tokens are no script: every attempt is cut off, and nobody else may write."""
    async with live(
        VLLM_BASE_URL=llama_url,
        VLLM_MODEL="smollm2",
        LLM_FALLBACK_ENABLED="false",
        QUALITY_MAX_RETRIES="1",
        LLM_FIRST_TOKEN_TIMEOUT_SECONDS="100",
    ) as running:
        session = await running.session()
        request = generate_pb2.GenerateRequest(
            session_id=session,
            query=OPENING,
            parameters=generate_pb2.GenerationParameters(max_tokens=12, temperature=0.0),
        )
        await refused(
            running.generation.Generate(request, timeout=110),
            grpc.StatusCode.UNAVAILABLE,
            "LLM_UNAVAILABLE",
        )
        stored = session_pb2.GetSessionRequest(session_id=session)
        assert not (await running.sessions.GetSession(stored)).session.scripts


async def test_the_status_names_the_model_that_is_asked(service: Live) -> None:
    answer = await service.status.GetStatus(status_pb2.GetStatusRequest())
    part = next(part for part in answer.components if part.name == "llm.primary")
    assert (part.backend, part.state) == ("vllm", status_pb2.COMPONENT_STATE_OK)
