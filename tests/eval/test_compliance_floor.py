"""The floors of the compliance checker on the development rows (one author's labels)."""

from __future__ import annotations

from pathlib import Path

from benchmarks.eval_compliance import evaluate

DEV_SET = Path(__file__).parent / "data/compliance.dev.jsonl"


def test_compliance_stays_above_its_floors() -> None:
    scores = evaluate(DEV_SET)
    assert scores["rows"] == 100
    assert scores["precision"]["value"] >= 0.97, scores["false_alarms"]
    assert scores["recall"]["value"] >= 0.95, scores["missed_rows"]
    assert scores["spans"]["overlap_f1"] >= 0.9
    assert scores["evasion_recall"]["value"] >= 0.9
