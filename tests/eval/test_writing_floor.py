"""The template writer against its floors: lawful, of the asked length, different each time, in a voice."""

from __future__ import annotations

from benchmarks.eval_writing import evaluate


def test_two_hundred_scripts_are_lawful_named_and_of_the_asked_length() -> None:
    result = evaluate(scripts=200)
    assert result["with_blocking_issue"] == 0
    assert result["with_compliance_issue"] == 0
    assert result["without_product_name"] == 0
    assert result["length_beyond_a_fifth"] == 0
    assert result["greatest_likeness_in_a_session"] <= 0.6
    assert result["style_attribution"] >= 0.8
