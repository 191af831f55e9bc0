"""Compresses a conversation into what a writer can use: recent turns whole, older ones by rule, all inside a
token budget. A session of 500 turns costs a request no more than one of 10.
"""

from __future__ import annotations

from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Slots

#: Tokens per character of Chinese text, on the safe side (Qwen: 0.6–0.7).
_TOKENS_PER_CHARACTER = 0.75
_WHOLE_TURNS = 3
_SUMMARY_CHARACTERS = 600


def compressed(conversation: ConversationContext, token_budget: int) -> str:
    """Newest turns first into the budget, printed oldest first; the oldest are dropped, never cut short."""
    budget = int(token_budget / _TOKENS_PER_CHARACTER)
    lines: list[str] = []
    newest_first = list(reversed(conversation.history))
    for age, turn in enumerate(newest_first):
        line = _whole(turn) if age < _WHOLE_TURNS else summarised(turn)
        budget -= len(line) + 1
        if budget < 0:
            return "\n".join(reversed(lines))
        lines.append(line)
    if conversation.summary and len(conversation.summary) <= budget:
        lines.append(conversation.summary)
    return "\n".join(reversed(lines))


def summary_with(summary: str, turn: HistoryTurn) -> str:
    """The session's summary once `turn` has left the window: newest kept, bounded in size."""
    joined = f"{summary}\n{summarised(turn)}" if summary else summarised(turn)
    while len(joined) > _SUMMARY_CHARACTERS and "\n" in joined:
        joined = joined.split("\n", 1)[1]
    return joined[:_SUMMARY_CHARACTERS]


def summarised(turn: HistoryTurn) -> str:
    """One line: what was asked, and for which product and scene."""
    about = _about(turn.intent.slots) if turn.intent else ""
    query = turn.query if len(turn.query) <= 30 else turn.query[:29] + "…"
    return f"第{turn.turn_index + 1}轮：{query}" + (f"（{about}）" if about else "")


def _whole(turn: HistoryTurn) -> str:
    return f"第{turn.turn_index + 1}轮 运营：{turn.query}\n第{turn.turn_index + 1}轮 回复：{turn.reply}"


def _about(slots: Slots) -> str:
    return "，".join(filter(None, (slots.product_name, slots.scenario, slots.sub_scenario, slots.event)))
