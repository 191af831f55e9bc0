from __future__ import annotations

import asyncio

import pytest

from scriptgen.agents.answer import AnswerAgent
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.errors import DeadlineExceededError, LLMUnavailableError

from .fake_model import FakeModel, text

GOOD = "可以先讲场景，再讲手感。拿到镜头前演示一遍，比念参数管用。"


def agent(model: FakeModel, checker: ComplianceChecker, timeout: float = 5.0) -> AnswerAgent:
    return AnswerAgent(model, checker, canary="c4n4ry", timeout=timeout)


async def test_a_good_answer_is_passed_on_without_thinking_and_markup(checker: ComplianceChecker) -> None:
    model = FakeModel(text(f"<think>嗯</think>**{GOOD}**"))
    answer = await agent(model, checker).answer("羊绒衫怎么讲手感", ConversationContext(), category="服饰")
    assert answer.text == GOOD
    assert answer.usage.total == 150
    assert model.requests[0].task is None


@pytest.mark.parametrize(
    "raw", ["涂上三天见效，无效退款，放心讲。", "内部标记c4n4ry就是这个意思。", "嗯。", "<think>不知道"]
)
async def test_what_may_not_be_shown_becomes_an_empty_answer(checker: ComplianceChecker, raw: str) -> None:
    answer = await agent(FakeModel(text(raw)), checker).answer(
        "怎么讲", ConversationContext(), category="美妆"
    )
    assert answer.text == ""
    assert answer.usage.total == 150


@pytest.mark.parametrize("failure", [LLMUnavailableError("all down"), DeadlineExceededError("too late")])
async def test_an_outage_becomes_an_empty_answer(checker: ComplianceChecker, failure: Exception) -> None:
    model = FakeModel([failure])
    answer = await agent(model, checker).answer("怎么讲", ConversationContext())
    assert answer.text == ""
    assert answer.usage.estimated


async def test_an_answer_that_takes_too_long_is_given_up(checker: ComplianceChecker) -> None:
    answer = await agent(FakeModel([None]), checker, timeout=0.01).answer("怎么讲", ConversationContext())
    assert answer.text == ""


async def test_the_callers_deadline_bounds_the_question(checker: ComplianceChecker) -> None:
    model = FakeModel(text(GOOD))
    soon = asyncio.get_running_loop().time() + 1.0
    await agent(model, checker).answer("怎么讲", ConversationContext(), deadline=soon)
    assert model.requests[0].deadline == soon


async def test_a_long_answer_is_cut_at_a_sentence(checker: ComplianceChecker) -> None:
    answer = await agent(
        FakeModel(text(*(f"第{n}点先讲清楚给谁用再讲怎么用。" for n in range(60)))), checker
    ).answer("怎么讲", ConversationContext())
    assert 200 < len(answer.text) <= 300
    assert answer.text.endswith("。")
