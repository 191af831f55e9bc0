"""Where one intent ends and the next begins: short phrasings in the manner of operators, by intent.

A row holds the query, the requests `earlier` in the conversation (one that begins with "!" was answered by a
question, every other by a script), the intent, and whether something is `asks`ed back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scriptgen.agents.intent import IntentAgent
from scriptgen.domain.conversation import ConversationContext, HistoryTurn

ROWS: list[dict[str, Any]] = [
    json.loads(line)
    for line in Path(__file__).with_name("boundaries.jsonl").read_text(encoding="utf-8").splitlines()
]
_SCRIPT = "姐妹们看过来，这一款我自己家里也在用，今天给大家好好讲一讲，喜欢的可以点下面看一看。"
_QUESTION = "好的，请问这一场主要卖什么产品呢？"


def _context(row: dict[str, Any]) -> ConversationContext:
    turns = (
        HistoryTurn(turn_index=i, query=q.lstrip("!"), reply=_QUESTION if q.startswith("!") else _SCRIPT)
        for i, q in enumerate(row.get("earlier", ()))
    )
    return ConversationContext(history=tuple(turns))


@pytest.mark.parametrize("intent", sorted({row["intent"] for row in ROWS}))
async def test_every_phrasing_of_an_intent_is_told_from_its_neighbours(intent: str) -> None:
    agent = IntentAgent(llm_threshold=0.0, clarify_threshold=0.0)
    rows = [row for row in ROWS if row["intent"] == intent]
    assert len(rows) >= 50
    wrong = []
    for row in rows:
        found = (await agent.recognize(row["query"], _context(row))).intent
        if (found.type.value.lower(), bool(found.missing_slots)) != (intent, row["asks"]):
            wrong.append((row.get("earlier"), row["query"], found.type.value, found.missing_slots))
    assert not wrong
