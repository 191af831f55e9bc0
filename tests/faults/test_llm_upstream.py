"""Every way an upstream can misbehave, over real HTTP: a typed failure within the timers from the backend,
one whole script of one backend from the router.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import aiohttp
import pytest
from msgspec.structs import replace

from scriptgen.domain.errors import LLMUnavailableError
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm import errors
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import (
    BackendChosen,
    BackendSwitched,
    ChatMessage,
    Completed,
    CompletionEvent,
    CompletionRequest,
    TextDelta,
)
from scriptgen.llm.router import RetrySettings, Router, RouterSettings
from scriptgen.llm.timed_response import Timers
from tests.broken_upstreams import MID_STREAM, REFUSED, SILENT, STRICT, Broken
from tests.upstream import (
    SCRIPT,
    Behaviour,
    Call,
    FakeUpstream,
    chunk,
    cuts,
    drips,
    ending,
    event,
    fails,
    hangs,
    refused_url,
    says,
    writes,
)

pytestmark = pytest.mark.faults

REQUEST = CompletionRequest(
    (ChatMessage("user", "写一段直播开场"),), task=WritingTask(TaskKind.COMPOSE, "写一段直播开场")
)
QUICK = Timers(connect=0.3, first_token=0.25, idle=0.15, total=0.6)
PATIENT = Timers(connect=30, first_token=30, idle=30, total=30)


def backend(url: str, name: str = "primary", *, timers: Timers = QUICK) -> OpenAIBackend:
    return OpenAIBackend(name, url, "fake", timers=timers, max_response_bytes=200_000, verify_model=True)


async def collect(stream: AsyncGenerator[CompletionEvent, None]) -> list[CompletionEvent]:
    async with aclosing(stream):
        return [event async for event in stream]


def text_of(events: list[CompletionEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


by_row = pytest.mark.parametrize("row", [*REFUSED, *SILENT, *MID_STREAM, *STRICT], ids=lambda row: row.name)


@pytest.fixture
async def healthy() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream(says(SCRIPT)) as upstream:
        yield upstream


@by_row
async def test_the_backend_names_the_failure_within_its_timer(row: Broken) -> None:
    async with FakeUpstream(row.behaviour()) as upstream:
        subject = backend(upstream.url)
        start = time.perf_counter()
        with pytest.raises(row.error) as caught:
            await collect(subject.stream(REQUEST))
        elapsed = time.perf_counter() - start
        assert type(caught.value) is row.error
        waited = getattr(QUICK, row.timer) if row.timer else 0.0
        assert waited <= elapsed <= waited + 0.5
        assert (caught.value.usage.completion_tokens > 0) is row.shown
        await subject.close()


@by_row
async def test_the_router_answers_with_one_whole_script_of_the_next_backend(
    row: Broken, healthy: FakeUpstream
) -> None:
    async with FakeUpstream(row.behaviour()) as broken:
        router = Router(
            [backend(broken.url), backend(healthy.url, "backup")],
            settings=RouterSettings(retry=RetrySettings(retries=0)),
        )
        events = await collect(router.stream(REQUEST))
        switches = [event for event in events if isinstance(event, BackendSwitched)]
        if row.shown:
            assert [(s.failed, s.reason) for s in switches] == [("primary", row.error.outcome)]
            events = events[events.index(switches[0]) + 1 :]
        else:
            assert not switches
        assert events[0] == BackendChosen("backup", "fake")
        assert text_of(events) == SCRIPT
        last = events[-1]
        assert isinstance(last, Completed)
        assert (last.backend, last.finish_reason, last.attempts) == ("backup", "stop", 2)
        assert (last.usage.completion_tokens > 87) is row.shown  # the void text was paid for as well
        assert (await router.complete(REQUEST)).text == SCRIPT
        await router.close()


@by_row
async def test_without_another_backend_the_caller_gets_a_typed_error(row: Broken) -> None:
    async with FakeUpstream(row.behaviour()) as broken:
        router = Router([backend(broken.url)], settings=RouterSettings(retry=RetrySettings(retries=0)))
        with pytest.raises(LLMUnavailableError) as caught:
            await router.complete(REQUEST)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after >= 1.0
        assert caught.value.metadata["outcomes"].startswith("primary:")
        await router.close()


async def test_a_refused_connection_is_named_and_skipped(healthy: FakeUpstream) -> None:
    alone = backend(refused_url())
    with pytest.raises(errors.ConnectFailedError):
        await collect(alone.stream(REQUEST))
    router = Router([alone, backend(healthy.url, "backup")])
    assert (await router.complete(REQUEST)).text == SCRIPT
    await router.close()


@pytest.mark.parametrize("behaviour", [hangs(), hangs("姐妹们")], ids=["before headers", "mid-stream"])
async def test_without_its_timers_a_hang_would_last(behaviour: Behaviour) -> None:
    async with FakeUpstream(behaviour) as upstream:
        subject = backend(upstream.url, timers=PATIENT)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(subject.stream(REQUEST)), 0.5)
        await subject.close()


@pytest.mark.parametrize(
    "behaviour",
    [writes(chunk("姐妹们")), writes(chunk("姐妹们") + b"data: [DONE]\n\n"), says(finish="content_filter")],
    ids=["EOF", "DONE", "filtered"],
)
async def test_http_alone_does_not_tell_half_a_script_from_a_whole_one(behaviour: Behaviour) -> None:
    async with (
        FakeUpstream(behaviour) as upstream,
        aiohttp.ClientSession() as session,
        session.post(f"{upstream.url}/chat/completions", json={}) as response,
    ):
        body = await response.read()
    assert response.status == 200
    assert "姐妹" in body.decode()


async def test_one_byte_a_read_gives_the_same_text() -> None:
    data = b"".join([chunk("姐妹们，😀看这里"), b": ping\r\n\r\n", ending()])
    async with FakeUpstream(drips(data, 0.0)) as upstream:
        subject = backend(upstream.url, timers=PATIENT)
        events = await collect(subject.stream(REQUEST))
        assert text_of(events) == "姐妹们，😀看这里"
        await subject.close()


async def test_usage_is_the_upstreams_own_or_an_estimate_that_says_so() -> None:
    async with FakeUpstream(says(SCRIPT), says(SCRIPT, usage=False)) as upstream:
        subject = backend(upstream.url)
        first = (await collect(subject.stream(REQUEST)))[-1]
        second = (await collect(subject.stream(REQUEST)))[-1]
        assert isinstance(first, Completed)
        assert isinstance(second, Completed)
        assert (first.usage.prompt_tokens, first.usage.completion_tokens) == (321, 87)
        assert not first.usage.estimated
        assert second.usage.estimated
        assert 60 <= second.usage.completion_tokens <= 90
        await subject.close()


async def test_an_upstream_that_stays_open_after_its_finish_reason_is_not_waited_for() -> None:
    async def behave(call: Call) -> None:
        await call.write(chunk(SCRIPT) + chunk(None, "stop"))
        await asyncio.Event().wait()

    async with FakeUpstream(behave) as upstream:
        subject = backend(upstream.url)
        events = await asyncio.wait_for(collect(subject.stream(REQUEST)), QUICK.idle + 0.25)
        assert text_of(events) == SCRIPT
        assert isinstance(events[-1], Completed)
        await subject.close()


async def test_a_slow_consumer_is_not_taken_for_an_idle_upstream() -> None:
    timers = Timers(connect=1, first_token=1, idle=0.1, total=10)
    async with FakeUpstream(says(SCRIPT, pace=0.01)) as upstream:
        subject = backend(upstream.url, timers=timers)
        texts: list[str] = []
        async with aclosing(subject.stream(REQUEST)) as stream:
            async for seen in stream:
                if isinstance(seen, TextDelta):
                    texts.append(seen.text)
                    if len(texts) <= 3:
                        await asyncio.sleep(0.15)  # longer than the idle timer
        assert "".join(texts) == SCRIPT
        await subject.close()


async def test_a_connection_that_breaks_after_the_finish_reason_costs_nothing() -> None:
    async with FakeUpstream(cuts(chunk(SCRIPT) + chunk(None, "stop"))) as upstream:
        subject = backend(upstream.url)
        assert text_of(await collect(subject.stream(REQUEST))) == SCRIPT
        await subject.close()


async def test_a_model_that_thinks_in_the_middle_is_making_progress() -> None:
    thought = event({"choices": [{"delta": {"reasoning_content": "想一想"}}]})
    blocks = [chunk("姐妹们"), *[thought] * 6, chunk("好") + ending()]
    async with FakeUpstream(writes(*blocks, pace=QUICK.idle / 3)) as upstream:
        subject = backend(upstream.url)
        assert text_of(await collect(subject.stream(REQUEST))) == "姐妹们好"
        await subject.close()


async def test_a_restarted_upstream_is_used_again_without_a_failed_request(healthy: FakeUpstream) -> None:
    router = Router([backend(healthy.url)])
    for _ in range(3):
        assert (await router.complete(REQUEST)).text == SCRIPT
        await healthy.stop()
        await healthy.start()
    assert (await router.complete(REQUEST)).text == SCRIPT
    await router.close()


@asynccontextmanager
async def hanging_up(*, after: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A server that answers `after` requests on a connection, promising to keep it, and drops it at the next
    one without a word. Gives its address and the number of requests on each connection.
    """
    answered = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    data = chunk(SCRIPT) + ending()
    answered += b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(requests)
        requests.append(0)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
                requests[place] += 1
                if requests[place] > after:
                    break
                writer.write(answered)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", requests


async def test_a_kept_connection_that_turns_out_to_be_closed_is_no_failure() -> None:
    async with hanging_up(after=1) as (url, requests):
        subject = backend(url)
        for _ in range(3):
            assert text_of(await collect(subject.stream(REQUEST))) == SCRIPT
        assert requests == [2, 2, 1]
        assert (await subject.status()).details["last_outcome"] == "ok"
        await subject.close()


async def test_an_upstream_that_only_hangs_up_is_asked_once_a_call() -> None:
    async with hanging_up(after=0) as (url, requests):
        subject = backend(url)
        for _ in range(3):
            with pytest.raises(errors.ConnectFailedError):
                await collect(subject.stream(REQUEST))
        assert requests == [1, 1, 1]
        await subject.close()


@pytest.mark.parametrize("behaviour", [hangs(), hangs("姐妹们")], ids=["before headers", "mid-stream"])
async def test_the_callers_deadline_cuts_every_timer(behaviour: Behaviour) -> None:
    async with FakeUpstream(behaviour) as upstream:
        subject = backend(upstream.url, timers=PATIENT)
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(errors.CallDeadlineError):
            await collect(subject.stream(replace(REQUEST, deadline=start + 0.1)))
        assert 0.1 <= loop.time() - start <= 0.25
        await subject.close()


async def test_a_hanging_primary_leaves_the_backup_time_before_the_deadline(healthy: FakeUpstream) -> None:
    async with FakeUpstream(hangs()) as broken:
        router = Router([backend(broken.url, timers=PATIENT), backend(healthy.url, "backup")])
        deadline = asyncio.get_running_loop().time() + 0.4
        completion = await router.complete(replace(REQUEST, deadline=deadline))
        assert completion.text == SCRIPT
        assert asyncio.get_running_loop().time() < deadline
        await router.close()


async def test_calls_in_a_row_share_one_connection() -> None:
    async with FakeUpstream(writes(chunk(SCRIPT) + ending(), pace=0.01)) as upstream:  # the end comes later
        subject = backend(upstream.url)
        for _ in range(5):
            await collect(subject.stream(REQUEST))
        assert len(upstream.calls) == 5
        assert len({call.peer for call in upstream.calls}) == 1
        await subject.close()


async def test_a_full_pool_fails_under_its_own_name() -> None:
    async with FakeUpstream(hangs("姐妹们")) as upstream:
        subject = OpenAIBackend("primary", upstream.url, "fake", timers=Timers(0.1, 30, 30, 30), pool_size=1)
        stream = subject.stream(REQUEST)
        async with aclosing(stream):
            await anext(stream)
            with pytest.raises(errors.PoolFullError):
                await collect(subject.stream(REQUEST))
        assert len(upstream.calls) == 1
        upstream.answers = [fails(500), says(SCRIPT)]
        with pytest.raises(errors.UpstreamStatusError):
            await collect(subject.stream(REQUEST))
        assert text_of(await collect(subject.stream(REQUEST))) == SCRIPT  # every place was given back
        await subject.close()


async def test_the_request_says_what_was_asked(healthy: FakeUpstream) -> None:
    subject = OpenAIBackend(
        "primary",
        healthy.url.removesuffix("/v1"),
        "general",
        api_key="secret",
        models_by_category={"美妆": "beauty-lora"},
        continuous_usage=True,
    )
    schema = {"type": "object", "properties": {"intent": {"type": "string"}}}
    asked = replace(REQUEST, category="美妆", temperature=0.5, top_p=0.9, max_tokens=300, json_schema=schema)
    await collect(subject.stream(asked))
    await collect(subject.stream(REQUEST))
    first, second = healthy.calls
    assert first.body["model"] == "beauty-lora"
    assert first.body["stream"] is True
    assert first.body["stream_options"] == {"include_usage": True, "continuous_usage_stats": True}
    assert (first.body["temperature"], first.body["top_p"], first.body["max_tokens"]) == (0.5, 0.9, 300)
    assert first.body["response_format"]["json_schema"]["schema"] == schema
    assert first.body["messages"] == [{"role": "user", "content": "写一段直播开场"}]
    assert first.request.headers["Authorization"] == "Bearer secret"
    assert second.body["model"] == "general"
    assert not {"temperature", "max_tokens", "response_format"} & second.body.keys()
    await subject.close()


async def test_a_redirect_is_not_followed(healthy: FakeUpstream) -> None:
    target = healthy.url + "/chat/completions"
    async with FakeUpstream(fails(307, headers={"Location": target})) as upstream:
        subject = backend(upstream.url)
        with pytest.raises(errors.UpstreamStatusError):
            await collect(subject.stream(REQUEST))
        assert not healthy.calls
        await subject.close()


async def test_retry_after_is_kept_in_seconds() -> None:
    async with FakeUpstream(
        fails(429, headers={"Retry-After": "2.5"}), fails(429, headers={"Retry-After": "soon"})
    ) as upstream:
        subject = backend(upstream.url)
        for expected in (2.5, None):
            with pytest.raises(errors.RateLimitedError) as caught:
                await collect(subject.stream(REQUEST))
            assert caught.value.retry_after == expected
        await subject.close()
