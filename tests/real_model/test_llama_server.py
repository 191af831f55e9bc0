"""Our backend and router against a real model. A model of 135 M parameters writes poor Chinese, so only the
protocol is asserted: streaming, usage, limits, schema, and that leaving a stream frees the model.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import pytest

from scriptgen.domain.errors import DeadlineExceededError
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import BackendChosen, ChatMessage, Completed, CompletionRequest, TextDelta
from scriptgen.llm.router import Router
from scriptgen.llm.timed_response import Timers

from .speed import freed_within

pytestmark = [pytest.mark.real_model, pytest.mark.timeout(180)]

TIMERS = Timers(connect=5, first_token=60, idle=30, total=120)
LONG = 3000  # tokens, half a minute on a machine that does nothing else
PROMPT = (
    ChatMessage("system", "你是直播间的主播，只说口播词。"),
    ChatMessage("user", "Write a long story about a lipstick shop."),
)


def request(max_tokens: int = 24, **more: object) -> CompletionRequest:
    return CompletionRequest(PROMPT, temperature=0.0, max_tokens=max_tokens, **more)  # type: ignore[arg-type]


@pytest.fixture
async def router(llama_url: str) -> AsyncIterator[Router]:
    router = Router([OpenAIBackend("llama", llama_url, "smollm2", timers=TIMERS)])
    yield router
    await router.close()


async def test_text_streams_in_pieces_and_ends_with_the_models_own_usage(
    router: Router, tell: Callable[[str], None]
) -> None:
    clock = asyncio.get_running_loop().time
    start, events, times = clock(), [], []
    async with aclosing(router.stream(request())) as stream:
        async for event in stream:
            events.append(event)
            times.append(clock() - start)
    deltas = [event for event in events if isinstance(event, TextDelta)]
    last = events[-1]
    tell(f"24 tokens: first text after {times[1]:.2f} s, then {23 / (times[-1] - times[1]):.0f} tokens/s")
    tell(f"it wrote: {''.join(delta.text for delta in deltas)!r}")
    assert isinstance(events[0], BackendChosen)
    assert len(deltas) > 5
    assert isinstance(last, Completed)
    assert last.finish_reason == "length"
    assert last.usage.completion_tokens == 24
    assert last.usage.prompt_tokens > 10
    assert not last.usage.estimated


async def test_the_same_question_has_the_same_answer_unary_and_streamed(router: Router) -> None:
    unary = await router.complete(request())
    async with aclosing(router.stream(request())) as stream:
        streamed = "".join([event.text async for event in stream if isinstance(event, TextDelta)])
    assert streamed == unary.text != ""


async def test_a_json_schema_is_obeyed(router: Router) -> None:
    schema = {
        "type": "object",
        "properties": {
            "intent": {"type": "string", "enum": ["SCRIPT_GENERATION", "QUERY", "OTHER"]},
            "confidence": {"type": "number"},
        },
        "required": ["intent", "confidence"],
        "additionalProperties": False,
    }
    answer = json.loads((await router.complete(request(120, json_schema=schema))).text)
    assert answer["intent"] in {"SCRIPT_GENERATION", "QUERY", "OTHER"}
    assert isinstance(answer["confidence"], int | float)


async def test_leaving_a_stream_frees_the_model_at_once(router: Router) -> None:
    """The server has one slot: a second call is answered only when the first is over."""

    async def second() -> float:
        start = asyncio.get_running_loop().time()
        await router.complete(request(1))
        return asyncio.get_running_loop().time() - start

    alone, bound = await second(), await freed_within(router, LONG)
    stream = router.stream(request(LONG))
    async with aclosing(stream):
        heard = 0
        async for event in stream:
            heard += isinstance(event, TextDelta)
            if heard == 5:
                break
        with pytest.raises(TimeoutError):  # the model is busy as long as the stream is open
            await asyncio.wait_for(second(), alone + 1.0)
    assert await second() < alone + bound


async def test_the_deadline_frees_the_model_too(router: Router) -> None:
    bound = await freed_within(router, LONG)
    alone_start = asyncio.get_running_loop().time()
    await router.complete(request(1))
    alone = asyncio.get_running_loop().time() - alone_start
    deadline = asyncio.get_running_loop().time() + alone + 0.5
    with pytest.raises(DeadlineExceededError):
        await router.complete(request(LONG, deadline=deadline))
    start = asyncio.get_running_loop().time()
    assert start < deadline + 0.2
    await router.complete(request(1))
    assert asyncio.get_running_loop().time() - start < alone + bound
