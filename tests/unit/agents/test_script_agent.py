from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scriptgen.agents.script import ScriptAgent, Text, Withdrawn, WriteEvent, Written
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.errors import LLMUnavailableError
from scriptgen.domain.generation import GenerationParameters, ResetReason
from scriptgen.domain.observer import Observer
from scriptgen.domain.quality import Severity
from scriptgen.domain.session import Product
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.protocol import (
    BackendChosen,
    BackendSwitched,
    CompletionEvent,
    CompletionRequest,
    TextDelta,
)

from .fake_model import FakeModel, Step, done, text

CANARY = "7f3a91c2d4"
TASK = WritingTask(
    TaskKind.COMPOSE,
    "写一段口红的开场",
    category="美妆",
    sub_scenario="开场话术",
    product=Product(name="口红"),
    target_characters=60,
)
SENTENCES = (
    "姐妹们晚上好，欢迎来到直播间！",
    "今天给大家看一支口红，薄涂显气色，厚涂也不夸张。",
    "上班路上补一下，两秒钟就精神了。",
    "喜欢的姐妹扣个1，我马上涂给你们看。",
)
SCRIPT = "".join(SENTENCES)
FORBIDDEN = "涂上三天见效，无效退款。"
REPAIRABLE = "这是国家级口红，全网最低价。"


def agent(model: FakeModel, checker: ComplianceChecker, max_guard_retries: int = 1) -> ScriptAgent:
    return ScriptAgent(
        model, checker, observer=Observer(), canary=CANARY, max_guard_retries=max_guard_retries
    )


async def written(
    model: FakeModel, checker: ComplianceChecker, task: WritingTask = TASK, max_guard_retries: int = 1
) -> list[WriteEvent]:
    writer = agent(model, checker, max_guard_retries=max_guard_retries)
    return [event async for event in writer.write(task, GenerationParameters(), deadline=None)]


def shown(events: list[WriteEvent]) -> str:
    """What a reader has in front of them at the end."""
    parts: list[str] = []
    for event in events:
        match event:
            case Text(piece):
                assert piece
                parts.append(piece)
            case Withdrawn():
                assert parts, "nothing was shown that could be withdrawn"
                parts.clear()
            case Written():
                pass
    return "".join(parts)


def ending(events: list[WriteEvent]) -> Written:
    last = events[-1]
    assert isinstance(last, Written)
    assert sum(isinstance(event, Written) for event in events) == 1
    assert shown(events) == last.text
    return last


async def test_a_clean_answer_is_passed_on_as_it_comes(checker: ComplianceChecker) -> None:
    events = await written(FakeModel(text(*SENTENCES)), checker)
    last = ending(events)
    assert last.text == SCRIPT
    assert last.complete
    assert (last.backend, last.model, last.attempts, last.finish_reason) == ("vllm", "qwen", 1, "stop")
    assert last.usage.total == 150
    assert last.upstream_seconds == 0.5
    assert sum(isinstance(event, Text) for event in events) > 1


class Asking(FakeModel):
    """Asks before each event, and after the last, when the reader last got text."""

    def __init__(self, *calls: Sequence[Step]) -> None:
        super().__init__(*calls)
        self.shown_at: list[float] = []

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        assert request.shown_at is not None
        async for event in super().stream(request):
            self.shown_at.append(request.shown_at())
            yield event
        self.shown_at.append(request.shown_at())


async def test_the_model_is_told_when_the_reader_last_got_text_of_the_draft(
    checker: ComplianceChecker,
) -> None:
    said = [TextDelta(sentence) for sentence in SENTENCES]
    model = Asking([BackendChosen("vllm", "qwen"), *said, BackendSwitched("vllm", "idle"), *said, done()])
    loop = asyncio.get_running_loop()
    began = loop.time()
    await written(model, checker)
    shown_at = model.shown_at
    never = -math.inf
    told = [never if at == never else "now" for at in shown_at if at == never or began <= at <= loop.time()]
    assert told == [never, never, *["now"] * 4, never, *["now"] * 4]
    assert shown_at[2:6] == sorted(shown_at[2:6])


async def test_nobody_waits_for_what_is_left_out(checker: ComplianceChecker) -> None:
    said = map(TextDelta, ["<think>", "先想想", "</think>", "姐", *SENTENCES])
    model = Asking([BackendChosen("vllm", "qwen"), *said, done()])
    await written(model, checker)
    waits = [at == -math.inf for at in model.shown_at]
    assert waits[:4] == [True, True, False, False]  # told before each event: the thought has begun


async def test_closing_the_writer_closes_the_upstream_at_once(checker: ComplianceChecker) -> None:
    model = FakeModel([BackendChosen("vllm", "qwen"), *map(TextDelta, SENTENCES), None])
    async with aclosing(agent(model, checker).write(TASK, GenerationParameters(), deadline=None)) as events:
        async for event in events:
            assert isinstance(event, Text)
            break
    assert model.closed == 1


async def test_cancelling_a_waiting_writer_closes_the_upstream(checker: ComplianceChecker) -> None:
    model = FakeModel([BackendChosen("vllm", "qwen"), TextDelta(SENTENCES[0]), None])
    task = asyncio.ensure_future(written(model, checker))
    await model.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.closed == 1


async def test_a_backend_switch_withdraws_what_was_shown_and_starts_afresh(
    checker: ComplianceChecker,
) -> None:
    steps: list[Step] = [
        BackendChosen("vllm", "qwen"),
        TextDelta(SENTENCES[0] + SENTENCES[1]),
        BackendSwitched("vllm", "idle timeout"),
        BackendChosen("ollama", "qwen"),
        *map(TextDelta, SENTENCES),
        done(backend="ollama"),
    ]
    events = await written(FakeModel(steps), checker)
    last = ending(events)
    assert [event.reason for event in events if isinstance(event, Withdrawn)] == [
        ResetReason.BACKEND_SWITCHED
    ]
    assert last.text == SCRIPT, "the first backend's sentences must not count as already said"
    assert last.backend == "ollama"


async def test_a_switch_before_anything_was_shown_is_silent(checker: ComplianceChecker) -> None:
    steps: list[Step] = [BackendSwitched("vllm", "refused"), *text(*SENTENCES)]
    events = await written(FakeModel(steps), checker)
    assert not [event for event in events if isinstance(event, Withdrawn)]
    assert ending(events).text == SCRIPT


async def test_a_blocked_text_is_never_shown_and_is_written_again_with_the_reason(
    checker: ComplianceChecker,
) -> None:
    model = FakeModel(text(SENTENCES[0], FORBIDDEN, SENTENCES[1]), text(*SENTENCES))
    events = await written(model, checker)
    last = ending(events)
    assert last.text == SCRIPT
    assert last.complete
    assert last.attempts == 2
    assert not last.issues
    for event in events:
        assert not isinstance(event, Text) or "三天见效" not in event.text
    assert model.closed == 1, "the blocked stream must be broken off"
    assert [event.reason for event in events if isinstance(event, Withdrawn)] == [ResetReason.QUALITY_RETRY]
    retry = model.requests[1]
    assert retry.task is not None
    assert retry.task.feedback
    assert retry.task.feedback[0] in retry.messages[-1].content


async def test_a_text_that_stays_blocked_ends_incomplete_with_its_issues(checker: ComplianceChecker) -> None:
    model = FakeModel(text(SENTENCES[0], FORBIDDEN, SENTENCES[1]), text(FORBIDDEN, SENTENCES[1]))
    last = ending(await written(model, checker))
    assert not last.complete
    assert last.text == ""
    assert len(last.issues) == 2
    assert last.usage.estimated
    assert last.usage.prompt_tokens > 0


async def test_the_number_of_guard_retries_is_a_bound(checker: ComplianceChecker) -> None:
    model = FakeModel(*[text(FORBIDDEN)] * 3)
    last = ending(await written(model, checker, max_guard_retries=2))
    assert len(model.requests) == 3
    assert last.attempts == 3
    assert not last.complete


async def test_a_span_with_a_safe_replacement_is_repaired_on_the_way(checker: ComplianceChecker) -> None:
    events = await written(FakeModel(text(*SENTENCES, REPAIRABLE)), checker)
    last = ending(events)
    assert last.complete
    assert last.attempts == 1
    assert {issue.span for issue in last.repairs} == {"国家级", "全网最低价"}
    assert "国家级" not in last.text


@pytest.mark.parametrize("cut", range(1, len(CANARY)))
async def test_a_leaked_canary_is_caught_wherever_it_is_cut(checker: ComplianceChecker, cut: int) -> None:
    leak = text(SENTENCES[0], f"标记{CANARY[:cut]}", f"{CANARY[cut:]}就是这个。")
    events = await written(FakeModel(leak, text(*SENTENCES)), checker)
    assert ending(events).text == SCRIPT
    assert all(CANARY not in event.text for event in events if isinstance(event, Text))


async def test_a_canary_inside_a_thinking_block_leaks_nothing(checker: ComplianceChecker) -> None:
    events = await written(FakeModel(text(f"<think>标记{CANARY}不能写</think>", *SENTENCES)), checker)
    assert ending(events).text == SCRIPT
    assert ending(events).attempts == 1


async def test_the_canary_stands_in_the_system_prompt(checker: ComplianceChecker) -> None:
    model = FakeModel(text(*SENTENCES))
    await written(model, checker)
    assert CANARY in model.requests[0].messages[0].content


async def test_a_cut_off_text_loses_its_unfinished_sentence(checker: ComplianceChecker) -> None:
    steps: list[Step] = [*map(TextDelta, (*SENTENCES, "还有一个好消息，今天下")), done("length")]
    events = await written(FakeModel(steps), checker)
    last = ending(events)
    assert last.text == SCRIPT
    assert last.complete
    assert last.finish_reason == "length"


async def test_a_cut_off_text_of_which_too_little_is_left_is_not_complete(checker: ComplianceChecker) -> None:
    steps: list[Step] = [TextDelta("姐妹们好！今天这支口红特别适合上班的时候"), done("length")]
    last = ending(await written(FakeModel(steps), checker, replace(TASK, target_characters=150)))
    assert not last.complete


async def test_a_cut_off_text_that_ended_with_a_sentence_stays(checker: ComplianceChecker) -> None:
    events = await written(FakeModel([TextDelta(SCRIPT), done("length")]), checker)
    assert ending(events).complete
    assert not [event for event in events if isinstance(event, Withdrawn)]


async def test_an_answer_of_thinking_alone_is_not_complete(checker: ComplianceChecker) -> None:
    last = ending(await written(FakeModel(text("<think>怎么写呢？")), checker))
    assert last.text == ""
    assert not last.complete


async def test_thinking_that_was_shown_is_withdrawn(checker: ComplianceChecker) -> None:
    events = await written(FakeModel(text("先想想主播会怎么说。要亲切。", "</think>", *SENTENCES)), checker)
    assert ending(events).text == SCRIPT
    assert [event.reason for event in events if isinstance(event, Withdrawn)] == [ResetReason.QUALITY_RETRY]


async def test_thinking_that_the_guard_still_held_does_not_reach_the_script(
    checker: ComplianceChecker,
) -> None:
    events = await written(FakeModel(text("先想想，能不能讲全网最", "</think>", *SENTENCES)), checker)
    assert ending(events).text == SCRIPT


async def test_a_fixed_text_needs_no_model(checker: ComplianceChecker) -> None:
    model = FakeModel()
    events = await written(model, checker, replace(TASK, kind=TaskKind.MODIFY, fixed_text=SCRIPT))
    assert ending(events).text == SCRIPT
    assert ending(events).complete
    assert model.requests == []


async def test_a_fixed_text_still_passes_the_guard(checker: ComplianceChecker) -> None:
    last = ending(await written(FakeModel(), checker, replace(TASK, fixed_text=SCRIPT + FORBIDDEN)))
    assert not last.complete
    assert last.text == ""
    assert last.issues


async def test_a_fixed_text_that_did_not_pass_is_left_to_a_writer(checker: ComplianceChecker) -> None:
    model = FakeModel(text(*SENTENCES))
    retried = replace(TASK, fixed_text=FORBIDDEN, feedback=("不能承诺效果",))
    assert ending(await written(model, checker, retried)).text == SCRIPT
    assert model.requests[0].task is not None
    assert not model.requests[0].task.fixed_text


async def test_an_outage_of_all_backends_is_the_callers_to_know(checker: ComplianceChecker) -> None:
    with pytest.raises(LLMUnavailableError):
        await written(FakeModel([LLMUnavailableError("no backend answered")]), checker)


async def test_the_wishes_of_the_caller_reach_the_model(checker: ComplianceChecker) -> None:
    model = FakeModel(text(*SENTENCES))
    wishes = GenerationParameters(temperature=0.0, top_p=0.5, max_tokens=321)
    async for _ in agent(model, checker).write(TASK, wishes, deadline=12.5):
        pass
    request = model.requests[0]
    assert (request.temperature, request.top_p, request.max_tokens, request.deadline) == (0.0, 0.5, 321, 12.5)
    assert request.task == TASK
    assert request.category == "美妆"


PIECES = st.lists(
    st.sampled_from(
        [
            *SENTENCES,
            FORBIDDEN,
            REPAIRABLE,
            "<think>",
            "想想",
            "</think>",
            "**",
            "标题：口红\n",
            "全网",
            "最低",
            CANARY[:5],
            CANARY[5:],
            "\n",
        ]
    ),
    max_size=8,
)


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=3), PIECES, st.sampled_from(["stop", "length"]))
def test_shown_text_always_equals_the_written_text(
    checker: ComplianceChecker, parts: list[list[str]], second: list[str], finish: str
) -> None:
    steps: list[Step] = [BackendChosen("a", "m")]
    for number, pieces in enumerate(parts):
        if number:
            steps += [BackendSwitched("a", "cut"), BackendChosen("b", "m")]
        steps += map(TextDelta, pieces)
    steps.append(done(finish))
    events = asyncio.run(written(FakeModel(steps, [*map(TextDelta, second), done(finish)]), checker))
    last = ending(events)
    for event in events:
        if isinstance(event, Text):
            assert CANARY not in event.text
    assert all(issue.severity is not Severity.BLOCK for issue in checker.review(last.text, category="美妆"))
