"""Which backend is asked, when again, and what the caller sees; the backends are scripts, the clock is ours
where time decides. The same over real HTTP: tests/faults/test_llm_upstream.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from msgspec.structs import replace

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import DeadlineExceededError
from scriptgen.domain.generation import Usage
from scriptgen.domain.observer import Observer
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.breaker import BreakerSettings
from scriptgen.llm.errors import (
    AllBackendsFailedError,
    AuthFailedError,
    CallDeadlineError,
    ConnectFailedError,
    IdleTimeoutError,
    LLMCallError,
    OutOfTimeError,
    RateLimitedError,
    TruncatedStreamError,
    UnsupportedRequestError,
    UpstreamStatusError,
)
from scriptgen.llm.hedge import HedgeSettings
from scriptgen.llm.protocol import (
    BackendChosen,
    BackendSwitched,
    ChatMessage,
    Completed,
    CompletionEvent,
    CompletionRequest,
    LanguageModel,
    TextDelta,
)
from scriptgen.llm.router import TEMPLATE, RetrySettings, Router, RouterSettings

WITH_TASK = CompletionRequest((ChatMessage("user", "写"),), task=WritingTask(TaskKind.COMPOSE, "写"))
QUESTION = CompletionRequest((ChatMessage("user", "什么是憋单？"),))
NO_RETRY = RouterSettings(retry=RetrySettings(retries=0))
USED = Usage(10, 5)

Step = str | LLMCallError | float  # text to say, an error to raise, seconds to wait
FOREVER = 1e9


class Scripted:
    """Plays one script a call, the last one for ever. `running` counts calls that were not closed yet."""

    def __init__(self, name: str, *scripts: list[Step]) -> None:
        self.name = name
        self.scripts = list(scripts) or [[f"{name}的话"]]
        self.calls: list[CompletionRequest] = []
        self.running = 0
        self.closed = False

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        self.calls.append(request)
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        self.running += 1
        try:
            yield BackendChosen(self.name, "model")
            for step in script:
                if isinstance(step, LLMCallError):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield TextDelta(step)
            yield Completed("stop", USED, self.name, "model")
        finally:
            self.running -= 1

    async def status(self) -> ComponentStatus:
        return ComponentStatus(self.name, ComponentState.OK, self.name, {"model": "model"})

    async def close(self) -> None:
        self.closed = True


class Recorded(Observer):
    def __init__(self) -> None:
        self.requests: list[tuple[str, str]] = []
        self.tokens: dict[str, int] = {}
        self.states: list[tuple[str, str]] = []

    def llm_request(self, backend: str, outcome: str) -> None:
        self.requests.append((backend, outcome))

    def llm_tokens(self, backend: str, kind: str, count: int) -> None:
        self.tokens[f"{backend}.{kind}"] = self.tokens.get(f"{backend}.{kind}", 0) + count

    def llm_breaker_state(self, backend: str, state: str) -> None:
        self.states.append((backend, state))


async def heard(router: Router, request: CompletionRequest = WITH_TASK) -> list[CompletionEvent]:
    async with aclosing(router.stream(request)) as events:
        return [event async for event in events]


def down() -> list[Step]:
    return [ConnectFailedError()]


async def test_a_healthy_primary_is_the_only_one_asked() -> None:
    one, two = Scripted("vllm", ["姐妹们", "看这里"]), Scripted("ollama")
    events = await heard(Router([one, two]))
    assert events[:-1] == [BackendChosen("vllm", "model"), TextDelta("姐妹们"), TextDelta("看这里")]
    last = events[-1]
    assert isinstance(last, Completed)
    assert (last.usage, last.attempts, last.backend) == (USED, 1, "vllm")
    assert not two.calls


async def test_a_failure_before_the_first_text_is_never_seen() -> None:
    one, two = Scripted("vllm", down()), Scripted("ollama")
    events = await heard(Router([one, two], settings=NO_RETRY))
    assert [type(event) for event in events] == [BackendChosen, TextDelta, Completed]
    assert events[0] == BackendChosen("ollama", "model")
    assert getattr(events[-1], "attempts", 0) == 2


async def test_a_failure_after_text_voids_it_and_is_never_spliced() -> None:
    one = Scripted("vllm", ["半句", IdleTimeoutError()])
    events = await heard(Router([one, Scripted("ollama")]))
    assert [type(e) for e in events] == [
        BackendChosen, TextDelta, BackendSwitched, BackendChosen, TextDelta, Completed,
    ]  # fmt: skip
    assert events[2] == BackendSwitched("vllm", "idle_timeout")
    completion = await Router([Scripted("vllm", ["半句", IdleTimeoutError()]), Scripted("ollama")]).complete(
        WITH_TASK
    )
    assert completion.text == "ollama的话"
    assert completion.switched == (BackendSwitched("vllm", "idle_timeout"),)


async def test_a_backend_that_broke_its_shown_text_is_not_the_one_to_begin_again() -> None:
    one = Scripted("vllm", ["半句", TruncatedStreamError()], ["好的"])
    assert (await Router([one, Scripted("ollama")]).complete(WITH_TASK)).text == "ollama的话"
    assert len(one.calls) == 1


async def test_void_text_is_paid_for() -> None:
    error = IdleTimeoutError()
    error.usage = Usage(100, 40)
    observer = Recorded()
    router = Router([Scripted("vllm", ["半句", error]), Scripted("ollama")], observer=observer)
    assert (await router.complete(WITH_TASK)).completed.usage == Usage(110, 45)
    assert observer.requests == [("vllm", "idle_timeout"), ("ollama", "ok")]
    assert observer.tokens["vllm.completion"] == 40


async def test_what_is_retryable_is_tried_again_on_the_same_backend() -> None:
    one, two = Scripted("vllm", down(), ["好的"]), Scripted("ollama")
    completion = await Router([one, two], rng=lambda: 0.0).complete(WITH_TASK)
    assert completion.text == "好的"
    assert len(one.calls) == 2
    assert not two.calls


@pytest.mark.parametrize("error", [AuthFailedError(401), UpstreamStatusError(400), IdleTimeoutError()])
async def test_what_is_not_retryable_goes_straight_to_the_next(error: LLMCallError) -> None:
    one, two = Scripted("vllm", [error]), Scripted("ollama")
    assert (await Router([one, two]).complete(WITH_TASK)).text == "ollama的话"
    assert len(one.calls) == 1


async def test_retry_after_is_waited_for_when_it_fits_the_budget() -> None:
    one, two = Scripted("vllm", [RateLimitedError(retry_after=0.3)], ["好的"]), Scripted("ollama")
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await Router([one, two]).complete(WITH_TASK)).text == "好的"
    assert loop.time() - start >= 0.3
    one = Scripted("vllm", [RateLimitedError(retry_after=30)], ["好的"])
    start = loop.time()
    assert (await Router([one, two]).complete(WITH_TASK)).text == "ollama的话"
    assert loop.time() - start < 0.2


async def test_the_retry_pause_varies() -> None:
    async def pause(draw: float) -> float:
        router = Router([Scripted("vllm", down(), ["好"])], rng=lambda: draw)
        start = asyncio.get_running_loop().time()
        await router.complete(WITH_TASK)
        return asyncio.get_running_loop().time() - start

    assert 0.05 <= await pause(0.0) < 0.1 < await pause(0.9) < 0.25


async def test_no_retry_is_begun_that_would_pass_the_deadline() -> None:
    one, two = Scripted("vllm", down(), ["好的"]), Scripted("ollama")
    deadline = asyncio.get_running_loop().time() + 0.04
    assert (await Router([one, two]).complete(replace(WITH_TASK, deadline=deadline))).text == "ollama的话"


async def test_an_outage_costs_four_attempts_for_fifteen_requests() -> None:
    one, two, observer = Scripted("vllm", down()), Scripted("ollama"), Recorded()
    router = Router([one, two], observer=observer, rng=lambda: 0.0)
    for _ in range(15):
        assert (await router.complete(WITH_TASK)).text == "ollama的话"
    assert len(one.calls) <= 4
    assert observer.states == [("vllm", "closed"), ("ollama", "closed"), ("vllm", "open")]
    without = Router(
        [one := Scripted("vllm", down()), two],
        settings=RouterSettings(breaker=BreakerSettings(fault_threshold=10**6)),
        rng=lambda: 0.0,
    )
    for _ in range(3):
        await without.complete(WITH_TASK)
    assert len(one.calls) == 6  # what it would cost without the breaker


async def test_one_bad_request_alone_does_not_open_the_breaker() -> None:
    router = Router([Scripted("vllm", [UpstreamStatusError(500)])], rng=lambda: 0.0)
    with pytest.raises(AllBackendsFailedError):
        await router.complete(WITH_TASK)
    assert (await router.status())[0].details["breaker"] == "closed"


async def test_faults_of_the_request_never_open_the_breaker() -> None:
    one = Scripted("vllm", [UpstreamStatusError(400)])
    router = Router([one, Scripted("ollama")])
    for _ in range(10):
        await router.complete(WITH_TASK)
    assert len(one.calls) == 10


async def test_it_goes_back_to_the_primary_by_itself() -> None:
    now = 0.0
    one, two = Scripted("vllm", down(), down(), down(), down(), ["回来了"]), Scripted("ollama")
    router = Router([one, two], clock=lambda: now, rng=lambda: 0.0)
    for _ in range(4):
        assert (await router.complete(WITH_TASK)).text == "ollama的话"
    status = (await router.status())[0]
    assert (status.name, status.state, status.backend) == ("llm.primary", ComponentState.DOWN, "vllm")
    assert status.details["retry_in_seconds"] == "5.0"
    now = 5.0
    assert (await router.complete(WITH_TASK)).text == "回来了"
    assert (await router.status())[0].state is ComponentState.DEGRADED  # slow start
    for _ in range(20):
        await router.complete(WITH_TASK)
    assert (await router.status())[0].state is ComponentState.OK


async def test_a_cancelled_probe_lets_the_next_one_go() -> None:
    now = 0.0
    one = Scripted("vllm", down(), [FOREVER], ["回来了"])
    settings = replace(NO_RETRY, breaker=BreakerSettings(fault_threshold=1))
    router = Router([one, Scripted("ollama")], settings=settings, clock=lambda: now)
    await router.complete(WITH_TASK)
    now = 5.0
    probe = asyncio.create_task(router.complete(WITH_TASK))
    while not one.running:
        await asyncio.sleep(0)
    assert (await router.complete(WITH_TASK)).text == "ollama的话"  # one probe at a time
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert (await router.complete(WITH_TASK)).text == "回来了"


async def test_when_everything_fails_the_caller_is_told_when_to_come_back() -> None:
    one = Scripted("vllm", [RateLimitedError(retry_after=12.0)])
    two = Scripted("ollama", ["半句", IdleTimeoutError()])
    router = Router([one, two], settings=NO_RETRY)
    with pytest.raises(AllBackendsFailedError) as caught:
        await router.complete(WITH_TASK)
    error = caught.value
    assert (error.code, error.reason, error.retry_after) == ("UNAVAILABLE", "LLM_UNAVAILABLE", 12.0)
    assert error.metadata == {"attempts": "2", "outcomes": "vllm:rate_limited,ollama:idle_timeout"}
    assert error.usage.completion_tokens == 1


async def test_with_every_breaker_open_nothing_is_called() -> None:
    one = Scripted("vllm", down())
    router = Router([one], settings=replace(NO_RETRY, breaker=BreakerSettings(fault_threshold=1)))
    for _ in range(3):
        with pytest.raises(AllBackendsFailedError) as caught:
            await router.complete(WITH_TASK)
    assert len(one.calls) == 1
    assert 4.0 < (caught.value.retry_after or 0) <= 5.0


async def test_fallback_can_be_switched_off() -> None:
    two = Scripted("ollama")
    settings = replace(NO_RETRY, fallback_enabled=False)
    router = Router([Scripted("vllm", down()), two], settings=settings)
    with pytest.raises(AllBackendsFailedError):
        await router.complete(WITH_TASK)
    assert not two.calls
    assert len(await router.status()) == 1
    await router.close()
    assert two.closed


async def test_the_template_writer_is_not_asked_what_only_a_model_can_answer() -> None:
    template = Scripted(TEMPLATE)
    router = Router([Scripted("vllm", down()), template], settings=NO_RETRY)
    with pytest.raises(AllBackendsFailedError):
        await router.complete(QUESTION)
    assert not template.calls
    assert (await router.complete(WITH_TASK)).completed.backend == TEMPLATE
    assert router.has_model
    assert not Router([template]).has_model


async def test_an_unsupported_request_says_nothing_about_the_backend() -> None:
    one = Scripted("odd", [UnsupportedRequestError()])
    router = Router([one, Scripted("ollama")])
    for _ in range(9):
        await router.complete(WITH_TASK)
    assert (await router.status())[0].details["breaker"] == "closed"
    assert len(one.calls) == 9


async def test_a_defect_in_a_backend_is_not_taken_for_a_failed_call() -> None:
    class Broken(Scripted):
        async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
            raise KeyError(request)
            yield BackendChosen("", "")

    with pytest.raises(KeyError):
        await Router([Broken("vllm"), Scripted("ollama")]).complete(WITH_TASK)


async def test_upstream_seconds_leave_out_the_time_the_consumer_took() -> None:
    router = Router([Scripted("vllm", ["一", 0.05, "二"])])
    async with aclosing(router.stream(WITH_TASK)) as events:
        async for event in events:
            if isinstance(event, Completed):
                assert 0.05 <= event.upstream_seconds < 0.15
            else:
                await asyncio.sleep(0.1)


def hedging(share: float = 1.0, after: float = 0.02) -> RouterSettings:
    return replace(NO_RETRY, hedge=HedgeSettings(enabled=True, after=after, share=share))


async def test_a_hedge_wins_when_the_primary_is_slow_and_the_loser_is_closed() -> None:
    one, two, observer = Scripted("vllm", [FOREVER]), Scripted("ollama"), Recorded()
    router = Router([one, two], settings=hedging(), observer=observer)
    completion = await router.complete(WITH_TASK)
    assert (completion.text, completion.switched) == ("ollama的话", ())
    assert completion.completed.attempts == 2
    assert (one.running, two.running) == (0, 0)
    assert sorted(observer.requests) == [("ollama", "ok"), ("vllm", "cancelled")]


async def test_the_primary_may_still_win_the_race() -> None:
    one, two = Scripted("vllm", [0.04, "慢了一点"]), Scripted("ollama", [FOREVER])
    completion = await Router([one, two], settings=hedging()).complete(WITH_TASK)
    assert completion.text == "慢了一点"
    assert (len(two.calls), two.running) == (1, 0)


async def test_a_quick_primary_is_never_hedged() -> None:
    two = Scripted("ollama")
    router = Router([Scripted("vllm"), two], settings=hedging(after=1.0))
    for _ in range(5):
        await router.complete(WITH_TASK)
    assert not two.calls


async def test_a_primary_that_fails_while_hedged_leaves_the_hedge_to_win() -> None:
    one, two = Scripted("vllm", [0.03, IdleTimeoutError()]), Scripted("ollama", [0.03, "备用"])
    assert (await Router([one, two], settings=hedging()).complete(WITH_TASK)).text == "备用"
    assert len(two.calls) == 1


async def test_when_a_winning_hedge_breaks_the_next_backend_begins_again() -> None:
    one, two = Scripted("vllm", [FOREVER]), Scripted("ollama", ["半句", IdleTimeoutError()])
    completion = await Router([one, two, Scripted(TEMPLATE)], settings=hedging()).complete(WITH_TASK)
    assert completion.text == "template的话"
    assert completion.switched == (BackendSwitched("ollama", "idle_timeout"),)
    assert len(one.calls) == 1


async def test_hedges_never_pass_their_share_of_the_requests() -> None:
    one, two = Scripted("vllm", [0.004, "慢"]), Scripted("ollama", [FOREVER])
    router = Router([one, two], settings=hedging(share=0.05, after=0.001))
    for _ in range(100):
        await router.complete(WITH_TASK)
    assert 1 <= len(two.calls) <= 5


async def test_the_template_writer_is_no_hedge() -> None:
    template = Scripted(TEMPLATE)
    router = Router([Scripted("vllm", [0.05, "慢"]), template], settings=hedging())
    assert (await router.complete(WITH_TASK)).text == "慢"
    assert not template.calls


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancel_during_a_race_closes_both(turns: int) -> None:
    one, two = Scripted("vllm", [0.002, "一"]), Scripted("ollama", [0.001, "二"])
    router = Router([one, two], settings=hedging(after=0.0005))
    before = asyncio.all_tasks()
    task = asyncio.create_task(router.complete(WITH_TASK))
    for _ in range(turns):
        await asyncio.sleep(0.0003)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (one.running, two.running) == (0, 0)
    assert asyncio.all_tasks() == before


async def test_the_next_backend_gets_half_of_the_time_that_is_left() -> None:
    one, two = Scripted("vllm", [FOREVER]), Scripted("ollama", [0.05, "赶上了"])
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 0.3
    completion = await Router([one, two]).complete(replace(WITH_TASK, deadline=deadline))
    assert completion.text == "赶上了"
    assert loop.time() < deadline
    assert one.running == 0


async def test_the_template_writer_needs_only_a_moment_of_the_time_that_is_left() -> None:
    router = Router([Scripted("vllm", [1.45, "慢工出细活"]), Scripted(TEMPLATE)])
    deadline = asyncio.get_running_loop().time() + 2.6  # half of it would be too short
    assert (await router.complete(replace(WITH_TASK, deadline=deadline))).text == "慢工出细活"


async def test_nothing_more_is_called_after_the_callers_deadline() -> None:
    one, two, template = (
        Scripted("vllm", ["半句", CallDeadlineError()]),
        Scripted("ollama"),
        Scripted(TEMPLATE),
    )
    model: LanguageModel = Router([one, two, template])
    with pytest.raises(OutOfTimeError) as caught:
        await model.complete(WITH_TASK)
    assert isinstance(caught.value, DeadlineExceededError)
    assert (caught.value.attempts, caught.value.metadata["outcomes"]) == (1, "vllm:deadline")
    assert caught.value.usage.completion_tokens > 0
    assert not two.calls
    assert not template.calls


async def test_a_deadline_that_passes_in_the_last_of_several_calls_is_told_as_one() -> None:
    router = Router([Scripted("vllm", down()), Scripted("ollama", [CallDeadlineError()])], settings=NO_RETRY)
    with pytest.raises(OutOfTimeError) as caught:
        await router.complete(WITH_TASK)
    assert caught.value.metadata["outcomes"] == "vllm:connect_failed,ollama:deadline"


async def test_a_failure_that_comes_after_the_deadline_is_told_as_the_deadline() -> None:
    router = Router([Scripted("vllm", [0.05, AuthFailedError(401)])], settings=NO_RETRY)
    soon = asyncio.get_running_loop().time() + 0.02
    with pytest.raises(OutOfTimeError):
        await router.complete(replace(WITH_TASK, deadline=soon))


async def test_a_caller_in_a_hurry_does_not_open_the_breaker() -> None:
    one = Scripted("vllm", [FOREVER])
    router = Router([one, Scripted(TEMPLATE)])
    for _ in range(6):
        soon = asyncio.get_running_loop().time() + 0.02
        assert (await router.complete(replace(WITH_TASK, deadline=soon))).completed.backend == TEMPLATE
    assert (await router.status())[0].details["breaker"] == "closed"
    assert [status.name for status in await router.status()] == ["llm.primary", "llm.backup"]
