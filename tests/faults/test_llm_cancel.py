"""Leaving a call early closes its upstream connection at once and leaves nothing behind, at whatever await."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from scriptgen.domain.errors import DeadlineExceededError
from scriptgen.domain.observer import Observer
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.hedge import HedgeSettings
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import ChatMessage, CompletionRequest, TextDelta
from scriptgen.llm.router import Router, RouterSettings
from tests.upstream import SCRIPT, Behaviour, Call, FakeUpstream, hangs, says

pytestmark = pytest.mark.faults

REQUEST = CompletionRequest(
    (ChatMessage("user", "写一段直播开场"),), task=WritingTask(TaskKind.COMPOSE, "写一段直播开场")
)
CLOSED_WITHIN = 0.050


class Counted(Observer):
    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.completion_tokens = 0

    def llm_request(self, backend: str, outcome: str) -> None:
        self.outcomes.append(f"{backend}:{outcome}")

    def llm_tokens(self, backend: str, kind: str, count: int) -> None:
        if kind == "completion":
            self.completion_tokens += count


async def until(condition: Callable[[], bool], within: float = 1.0) -> None:
    """Give the loop turns until `condition` holds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.001)


async def consume(router: Router, texts: list[str]) -> None:
    stream = router.stream(REQUEST)
    async with aclosing(stream):
        async for event in stream:
            texts.extend([event.text] if isinstance(event, TextDelta) else [])


def histogram(seconds: list[float]) -> str:
    bounds = (0.001, 0.002, 0.005, 0.010, 0.020, 0.050, float("inf"))
    rows, low = [], 0.0
    for high in bounds:
        rows.append(f"{sum(low <= s < high for s in seconds):3d}  < {high * 1000:.0f} ms")
        low = high
    return "\n".join(rows)


async def close_times(behaviour: Behaviour, longest: float, *, count: int = 50) -> list[float]:
    """Cancel `count` calls, each after another time up to `longest`; return how long each upstream took to
    see its connection closed. Calls that were cancelled before they arrived have no connection to close.
    """
    rng = random.Random(7)
    times: list[float] = []
    async with FakeUpstream(behaviour) as upstream:
        router = Router([OpenAIBackend("primary", upstream.url, "fake")])
        before = asyncio.all_tasks()
        for _ in range(count):
            seen = len(upstream.calls)
            task = asyncio.create_task(consume(router, []))
            await asyncio.sleep(rng.uniform(0.0, longest))
            task.cancel()
            cancelled_at = asyncio.get_running_loop().time()
            with pytest.raises(asyncio.CancelledError):
                await task
            if len(upstream.calls) > seen:
                await asyncio.wait_for(upstream.calls[-1].gone.wait(), 1.0)
                times.append(upstream.calls[-1].gone_at - cancelled_at)
        await until(lambda: upstream.connections == 0)
        await until(lambda: asyncio.all_tasks() <= before)
        await router.close()
    return times


@pytest.mark.parametrize(
    ("behaviour", "longest"),
    [
        (hangs(), 0.02),
        (hangs(""), 0.02),
        (says(SCRIPT * 40, pace=0.001), 0.05),
        (says(SCRIPT, pace=0.02), 0.2),
    ],
    ids=["before headers", "before the first text", "mid-stream", "between chunks"],
)
async def test_a_cancel_closes_the_upstream_within_50_ms(
    behaviour: Behaviour, longest: float, record_property: Callable[[str, object], None]
) -> None:
    times = await close_times(behaviour, longest)
    record_property("cancel_to_close", histogram(times))
    assert len(times) >= 40
    assert sorted(times)[int(len(times) * 0.95)] <= CLOSED_WITHIN, histogram(times)
    assert max(times) <= 2 * CLOSED_WITHIN, histogram(times)  # a busy machine may delay one


async def test_without_the_close_the_upstream_would_go_on() -> None:
    """What the test above would see if nothing closed: the model writes on until its end."""
    async with FakeUpstream(says(SCRIPT, pace=0.005)) as upstream:
        backend = OpenAIBackend("primary", upstream.url, "fake")
        stream = backend.stream(REQUEST)
        async for event in stream:
            if isinstance(event, TextDelta):
                break  # left, but not closed
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(upstream.calls[0].gone.wait(), 4 * CLOSED_WITHIN)
        await stream.aclose()
        await asyncio.wait_for(upstream.calls[0].gone.wait(), CLOSED_WITHIN)
        await backend.close()


async def test_a_cancel_tells_what_it_cost_and_blames_nobody() -> None:
    observer = Counted()
    async with FakeUpstream(hangs(SCRIPT)) as upstream:
        router = Router([OpenAIBackend("primary", upstream.url, "fake")], observer=observer)
        texts: list[str] = []
        for _ in range(6):  # more than the breaker's threshold
            texts.clear()
            task = asyncio.create_task(consume(router, texts))
            await until(lambda: bool(texts))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert observer.outcomes == ["primary:cancelled"] * 6
        assert observer.completion_tokens > 6 * 50
        assert (await router.status())[0].details["breaker"] == "closed"
        upstream.answers = [says(SCRIPT)]
        assert (await router.complete(REQUEST)).text == SCRIPT
        await router.close()


async def test_the_deadline_closes_the_upstream_within_50_ms() -> None:
    async with FakeUpstream(hangs("姐妹们")) as upstream:
        router = Router([OpenAIBackend("primary", upstream.url, "fake")])
        deadline = asyncio.get_running_loop().time() + 0.1
        stream = router.stream(replace(REQUEST, deadline=deadline))
        with pytest.raises(DeadlineExceededError):
            _ = [event async for event in stream]
        await asyncio.wait_for(upstream.calls[0].gone.wait(), 1.0)
        assert upstream.calls[0].gone_at - deadline <= CLOSED_WITHIN
        await router.close()


def one_of_both(slow: Behaviour, quick: Behaviour) -> Callable[[Call], Awaitable[None]]:
    rng = random.Random(3)

    async def behave(call: Call) -> None:
        await (slow if rng.random() < 0.5 else quick)(call)

    return behave


async def test_hedged_calls_cancelled_anywhere_leave_no_task_and_no_connection() -> None:
    rng = random.Random(11)
    behaviour = one_of_both(hangs(), says(SCRIPT, before=0.004, pace=0.001))
    hedge = HedgeSettings(enabled=True, after=0.003, share=1.0)
    async with FakeUpstream(behaviour) as one, FakeUpstream(behaviour) as two:
        backends = [OpenAIBackend("primary", one.url, "fake"), OpenAIBackend("backup", two.url, "fake")]
        router = Router(backends, settings=RouterSettings(hedge=hedge))
        before = asyncio.all_tasks()
        for _ in range(80):
            task = asyncio.create_task(consume(router, []))
            await asyncio.sleep(rng.uniform(0.0, 0.02))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert two.calls, "no hedge ever ran"
        await until(lambda: all(call.gone.is_set() or call.completed for call in one.calls + two.calls))
        await until(lambda: asyncio.all_tasks() <= before)
        for status in await router.status():
            assert status.details["breaker"] == "closed"
        await router.close()
        await until(lambda: one.connections == two.connections == 0)


async def test_a_consumer_that_fails_closes_the_upstream_too() -> None:
    async with FakeUpstream(hangs(SCRIPT)) as upstream:
        router = Router([OpenAIBackend("primary", upstream.url, "fake")])

        async def fail_at_the_first_event() -> None:
            async with aclosing(router.stream(REQUEST)) as stream:
                async for _ in stream:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail_at_the_first_event()
        await asyncio.wait_for(upstream.calls[0].gone.wait(), CLOSED_WITHIN)
        await router.close()


async def test_text_in_the_socket_at_the_cancel_is_not_delivered() -> None:
    async with FakeUpstream(says(SCRIPT, pace=0.002)) as upstream:
        router = Router([OpenAIBackend("primary", upstream.url, "fake")])
        texts: list[str] = []
        task = asyncio.create_task(consume(router, texts))
        await until(lambda: len(texts) > 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        heard = len(texts)
        await asyncio.wait_for(upstream.calls[0].gone.wait(), CLOSED_WITHIN)
        assert len(texts) == heard
        assert SCRIPT.startswith("".join(texts))
        await router.close()
