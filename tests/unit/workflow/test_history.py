"""What of a conversation reaches a prompt: the newest first, inside a budget, flat in the number of turns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Intent, Slots
from scriptgen.domain.vocabulary import IntentType
from scriptgen.workflow.history import compressed, summarised, summary_with

from .kit import TENANT, running

TOKENS_PER_CHARACTER = 0.75
TEXT = st.text("写一段直播带货话术开场", min_size=1, max_size=60)


def turn(index: int, query: str = "写一段开场话术", reply: str = "家人们晚上好！") -> HistoryTurn:
    slots = Slots(product_name="唇釉", sub_scenario="开场话术")
    return HistoryTurn(index, query, reply, Intent(IntentType.SCRIPT_GENERATION, 1.0, slots))


@given(
    turns=st.lists(st.tuples(TEXT, TEXT), max_size=20),
    summary=st.text("第一轮写开场", max_size=80),
    budget=st.integers(0, 600),
)
def test_the_history_never_costs_more_than_its_budget(
    turns: list[tuple[str, str]], summary: str, budget: int
) -> None:
    history = tuple(turn(index, query, reply) for index, (query, reply) in enumerate(turns))
    text = compressed(ConversationContext(history=history, summary=summary), budget)
    assert len(text) * TOKENS_PER_CHARACTER <= budget


@given(count=st.integers(4, 30))
def test_recent_turns_are_told_whole_and_older_ones_in_a_line_oldest_first(count: int) -> None:
    history = tuple(turn(index, reply=f"第{index}条话术") for index in range(count))
    lines = compressed(ConversationContext(history=history, summary="更早：写过开场"), 100_000).split("\n")
    assert lines[0] == "更早：写过开场"
    assert lines[1:-6] == [summarised(one) for one in history[:-3]]
    assert lines[-2:] == [f"第{count}轮 运营：写一段开场话术", f"第{count}轮 回复：第{count - 1}条话术"]


def test_what_does_not_fit_is_dropped_from_the_old_end_and_never_cut() -> None:
    history = tuple(turn(index, reply=f"第{index}条话术") for index in range(10))
    whole = compressed(ConversationContext(history=history), 100_000)
    for budget in range(0, 400, 7):
        text = compressed(ConversationContext(history=history), budget)
        assert whole.endswith(text)
        assert not text or whole == text or whole[-len(text) - 1] == "\n"


def test_the_summary_of_a_long_session_stays_as_small_as_that_of_a_short_one() -> None:
    summary, sizes = "", []
    for index in range(500):
        summary = summary_with(summary, turn(index))
        sizes.append(len(summary))
        assert f"第{index + 1}轮" in summary
    assert max(sizes) <= 600
    assert sizes[499] <= sizes[30] + 30


async def test_a_long_session_costs_a_request_no_more_than_its_window() -> None:
    async with running(history_window_turns=3, template_pace_seconds=0) as kit:
        key = await kit.session()
        for number in range(9):
            await kit.generate(key, f"写一段开场话术，谢谢{number}号")
        opened = await kit.app.sessions.open(key, TENANT, None)
        assert opened.session is not None
        assert [one.turn_index for one in opened.session.turns] == [6, 7, 8]
        assert opened.session.head.turn_count == 9
        summary = opened.session.head.summary.split("\n")
        assert [line.split("：")[0] for line in summary] == [f"第{n}轮" for n in range(1, 7)]
