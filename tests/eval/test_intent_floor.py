"""The floors intent recognition must hold on the labelled development rows."""

from __future__ import annotations

from benchmarks.eval_intent import DEFAULT_PATH, evaluate


async def test_intent_recognition_stays_above_its_floors() -> None:
    result = await evaluate(DEFAULT_PATH)
    assert result["rows"] >= 80
    assert result["intent_accuracy"]["value"] >= 0.95, result["failures"]
    assert result["slot_micro_f1"]["value"] >= 0.92, result["failures"]
    assert result["clarification_accuracy"]["value"] >= 0.95, result["failures"]
    assert result["refers_to_accuracy"]["value"] >= 0.95, result["failures"]
