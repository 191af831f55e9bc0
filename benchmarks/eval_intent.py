"""Scores intent recognition on labelled rows: accuracy, confusion, slot F1, clarification, references.

Run: python -m benchmarks.eval_intent [file.jsonl]. Rows are labelled by one author alone.
"""

from __future__ import annotations

import asyncio
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scriptgen.agents.intent import IntentAgent
from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Intent

DEFAULT_PATH = Path(__file__).parents[1] / "tests" / "eval" / "data" / "intents.dev.jsonl"
_BATCH_KEYS = ("batch_sub_scenarios", "batch_products", "batch_events")


def context_of(row: dict[str, Any]) -> ConversationContext:
    """The stateless context of a labelled row: raw texts only, no earlier intents."""
    return ConversationContext(
        category=row["session"]["category"],
        influencer_name=row["session"]["influencer_name"],
        history=tuple(
            HistoryTurn(turn_index=i, query=turn["user"], reply=turn["assistant"])
            for i, turn in enumerate(row["history"])
        ),
    )


def expected_slots(row: dict[str, Any]) -> set[tuple[str, str]]:
    """Pairs (slot, value); a list gives one pair for each value."""
    pairs: set[tuple[str, str]] = set()
    for key, value in row["slots"].items():
        name = {"style": "styles"}.get(key, key)
        pairs |= {(name, v) for v in (value if isinstance(value, list) else [value])}
    for key in _BATCH_KEYS:
        pairs |= {(key, v) for v in row.get(key, [])}
    return pairs


def found_slots(intent: Intent) -> set[tuple[str, str]]:
    slots = intent.slots
    pairs: set[tuple[str, str]] = set()
    for key in (
        "category",
        "scenario",
        "sub_scenario",
        "event",
        "product_name",
        "target_name",
        "price",
        "length",
    ):
        value = getattr(slots, key)
        if value:
            pairs.add((key, value))
    pairs |= {("selling_points", v) for v in slots.selling_points}
    pairs |= {("styles", v) for v in slots.styles}
    for key in _BATCH_KEYS:
        pairs |= {(key, v) for v in slots.extra.get(key, "").split("、") if v}
    return pairs


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927)."""
    if not total:
        return 0.0, 1.0
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (centre - spread) / scale, (centre + spread) / scale


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def f1(hits: int, false: int, missed: int) -> float:
    return 2 * hits / (2 * hits + false + missed) if hits + false + missed else 1.0


def rate(outcomes: Iterable[bool]) -> dict[str, Any]:
    marks = list(outcomes)
    right = sum(marks)
    low, high = wilson(right, len(marks))
    return {
        "value": right / len(marks) if marks else 1.0,
        "right": right,
        "total": len(marks),
        "interval": [low, high],
    }


async def evaluate(path: Path | str) -> dict[str, Any]:
    """Runs the rules tier over the rows of `path` and returns every figure with its counts."""
    rows = _rows(Path(path))
    agent = IntentAgent(None, llm_threshold=0.0, clarify_threshold=0.0)
    confusion: Counter[tuple[str, str]] = Counter()
    hits: Counter[str] = Counter()
    false: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    intents, asks, references, failures = [], [], [], []
    seconds = 0.0
    for row in rows:
        context = context_of(row)
        start = time.perf_counter()
        intent = (await agent.recognize(row["query"], context)).intent
        seconds += time.perf_counter() - start
        wanted, found = expected_slots(row), found_slots(intent)
        hits.update(k for k, _ in wanted & found)
        false.update(k for k, _ in found - wanted)
        missed.update(k for k, _ in wanted - found)
        confusion[row["intent"], intent.type.value.lower()] += 1
        intents.append(row["intent"] == intent.type.value.lower())
        asks.append(row["needs_clarification"] == bool(intent.missing_slots))
        if "refers_to" in row:
            references.append(row["refers_to"] == intent.refers_to_turn)
        if not (
            intents[-1]
            and asks[-1]
            and wanted == found
            and row.get("refers_to", intent.refers_to_turn) == intent.refers_to_turn
        ):
            failures.append(
                {
                    "id": row["id"],
                    "query": row["query"],
                    "intent": [row["intent"], intent.type.value.lower()],
                    "missed": sorted(wanted - found),
                    "false": sorted(found - wanted),
                    "asks": [row["needs_clarification"], bool(intent.missing_slots)],
                    "refers_to": [row.get("refers_to"), intent.refers_to_turn],
                }
            )
    total_hits, total_false, total_missed = hits.total(), false.total(), missed.total()
    precision_low, precision_high = wilson(total_hits, total_hits + total_false)
    recall_low, recall_high = wilson(total_hits, total_hits + total_missed)
    return {
        "rows": len(rows),
        "intent_accuracy": rate(intents),
        "clarification_accuracy": rate(asks),
        "refers_to_accuracy": rate(references),
        "slot_micro_f1": {
            "value": f1(total_hits, total_false, total_missed),
            "hits": total_hits,
            "false": total_false,
            "missed": total_missed,
            "precision_interval": [precision_low, precision_high],
            "recall_interval": [recall_low, recall_high],
        },
        "slots": {
            key: {
                "f1": f1(hits[key], false[key], missed[key]),
                "hits": hits[key],
                "false": false[key],
                "missed": missed[key],
            }
            for key in sorted({*hits, *false, *missed})
        },
        "confusion": {f"{wanted} -> {found}": n for (wanted, found), n in sorted(confusion.items())},
        "microseconds_per_call": seconds / max(1, len(rows)) * 1e6,
        "failures": failures,
    }


def print_table(result: dict[str, Any]) -> None:
    print(f"{result['rows']} rows, {result['microseconds_per_call']:.0f} µs a call")
    for key in ("intent_accuracy", "clarification_accuracy", "refers_to_accuracy"):
        r = result[key]
        low, high = r["interval"]
        print(f"{key:24} {r['value']:.3f}  ({r['right']}/{r['total']}, 95 % {low:.3f}-{high:.3f})")
    f = result["slot_micro_f1"]
    print(
        f"{'slot_micro_f1':24} {f['value']:.3f}  ({f['hits']} hits, {f['false']} false, {f['missed']} missed)"
    )
    print(
        "precision 95 % {:.3f}-{:.3f}, recall 95 % {:.3f}-{:.3f}".format(
            *f["precision_interval"], *f["recall_interval"]
        )
    )
    for key, s in result["slots"].items():
        print(f"  {key:22} {s['f1']:.3f}  ({s['hits']}/{s['false']}/{s['missed']})")
    for key, n in result["confusion"].items():
        wanted, found = key.split(" -> ")
        if wanted != found:
            print(f"  {key}: {n}")
    for failure in result["failures"]:
        print(json.dumps(failure, ensure_ascii=False))


if __name__ == "__main__":
    print_table(asyncio.run(evaluate(sys.argv[1] if len(sys.argv) > 1 else DEFAULT_PATH)))
