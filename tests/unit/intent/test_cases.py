"""Every labelled case of our own, each checked whole: intent, slots, clarification and reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from benchmarks.eval_intent import context_of, expected_slots, found_slots

from scriptgen.agents.intent import IntentAgent

CASES = Path(__file__).with_name("cases.jsonl")
ROWS: list[dict[str, Any]] = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def agent() -> IntentAgent:
    return IntentAgent(llm_threshold=0.0, clarify_threshold=0.0)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_the_case_is_understood(row: dict[str, Any], agent: IntentAgent) -> None:
    intent = (await agent.recognize(row["query"], context_of(row))).intent
    assert intent.type.value.lower() == row["intent"]
    assert found_slots(intent) == expected_slots(row)
    assert bool(intent.missing_slots) == row["needs_clarification"]
    if "refers_to" in row:
        assert intent.refers_to_turn == row["refers_to"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_typed_slots_are_exact_substrings_of_what_was_typed(
    row: dict[str, Any], agent: IntentAgent
) -> None:
    slots = (await agent.recognize(row["query"], context_of(row))).intent.slots
    typed = "\n".join([row["query"], *(turn["user"] for turn in row["history"])])
    for value in (slots.product_name, slots.target_name, slots.price, slots.length, *slots.selling_points):
        assert value in typed
