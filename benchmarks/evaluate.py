"""`make eval`: understanding, compliance and writing on the labelled examples, as tables, JSON and a plot.

Exit code 1 when a figure is below its floor. The examples have one author and no second annotator, and the
rules were written by people who could read them: the figures show that nothing broke, not how new text fares.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from benchmarks import eval_compliance, eval_intent, eval_writing

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "tests" / "eval" / "data"
OUT = Path(__file__).parent / "out"


def figures(
    intent: dict[str, Any], compliance: dict[str, Any], writing: dict[str, Any]
) -> list[tuple[str, float, float]]:
    """Name, value and floor of everything that is held to one; all are 0..1, more is better."""
    return [
        ("intent accuracy", intent["intent_accuracy"]["value"], 0.95),
        ("slot micro-F1", intent["slot_micro_f1"]["value"], 0.92),
        ("clarification accuracy", intent["clarification_accuracy"]["value"], 0.95),
        ("reference accuracy", intent["refers_to_accuracy"]["value"], 0.9),
        ("compliance precision", compliance["precision"]["value"], 0.97),
        ("compliance recall", compliance["recall"]["value"], 0.95),
        ("compliance span overlap F1", compliance["spans"]["overlap_f1"], 0.9),
        ("evasion recall", compliance["evasion_recall"]["value"], 0.9),
        ("scripts without blocking issue", 1 - writing["with_blocking_issue"] / writing["scripts"], 1.0),
        (
            "scripts within a fifth of the length",
            1 - writing["length_beyond_a_fifth"] / writing["scripts"],
            0.98,
        ),
        ("difference within a session", 1 - writing["greatest_likeness_in_a_session"], 0.4),
        ("style attribution", writing["style_attribution"], 0.8),
    ]


def plot(rows: list[tuple[str, float, float]]) -> str:
    """A bar for every figure with a mark at its floor, as SVG."""
    height, left, width = 26, 250, 420
    whole, tall = left + width + 80, height * len(rows) + 20
    namespace = "http://www.w3.org/2000/svg"
    parts = [
        f'<svg xmlns="{namespace}" width="{whole}" height="{tall}" font-family="sans-serif" font-size="13">'
    ]
    for number, (name, value, floor) in enumerate(rows):
        y, mark = 10 + number * height, left + width * floor
        color = "#4a7" if value >= floor else "#c44"
        bar = f'x="{left}" y="{y + 3}" width="{width * value:.1f}" height="{height - 10}"'
        parts += [
            f'<text x="{left - 8}" y="{y + 15}" text-anchor="end">{name}</text>',
            f'<rect {bar} fill="{color}"/>',
            f'<line x1="{mark:.1f}" x2="{mark:.1f}" y1="{y}" y2="{y + 20}" stroke="#333"/>',
            f'<text x="{left + width + 8}" y="{y + 15}">{value:.3f}</text>',
        ]
    return "\n".join([*parts, "</svg>\n"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intents", type=Path, default=DATA / "intents.dev.jsonl")
    parser.add_argument("--compliance", type=Path, default=DATA / "compliance.dev.jsonl")
    arguments = parser.parse_args()
    intent = asyncio.run(eval_intent.evaluate(arguments.intents))
    compliance = eval_compliance.evaluate(arguments.compliance)
    writing = eval_writing.evaluate()
    eval_intent.print_table(intent)
    eval_compliance.print_table(compliance)
    eval_writing.print_table(writing)
    rows = figures(intent, compliance, writing)
    OUT.mkdir(exist_ok=True)
    results = {"intent": intent, "compliance": compliance, "writing": writing}
    (OUT / "eval.json").write_text(json.dumps(results, ensure_ascii=False, indent=1))
    (OUT / "eval.svg").write_text(plot(rows))
    print(f"\n{'figure':<40}{'value':>8}{'floor':>8}")
    for name, value, floor in rows:
        print(f"{name:<40}{value:>8.3f}{floor:>8.2f}{'' if value >= floor else '  BELOW'}")
    return 0 if all(value >= floor for _, value, floor in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
