"""Token estimates: right for Chinese, learning, bounded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.domain.generation import Usage
from scriptgen.llm.estimate import TokenEstimator, estimate_tokens


def test_chinese_is_not_four_characters_a_token() -> None:
    text = "姐妹们晚上好" * 100
    assert estimate_tokens(text) == pytest.approx(0.65 * len(text), abs=1)
    assert estimate_tokens(text) > 2 * (len(text) // 4)


def test_english_is_about_four_characters_a_token() -> None:
    assert estimate_tokens("a b c d " * 100) == 200


@pytest.mark.parametrize("text", ["", "a", "好", "😀", "\ud800", "姐妹abc"])
def test_short_texts_have_small_estimates(text: str) -> None:
    assert (estimate_tokens(text) == 0) is (text == "")
    assert estimate_tokens(text) <= len(text)


@settings(deadline=None)
@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, two: str) -> None:
    assert estimate_tokens(one + two) >= max(estimate_tokens(one), estimate_tokens(two))


def test_the_output_estimate_follows_the_wanted_length_then_what_was_learned() -> None:
    estimator = TokenEstimator()
    assert estimator.estimate("写", target_characters=400).completion_tokens == 300
    unknown = estimator.estimate("写", scene="开场话术").completion_tokens
    for _ in range(30):
        estimator.learn("写", Usage(40, 90), scene="开场话术")
    assert unknown == 165
    assert estimator.estimate("写", scene="开场话术").completion_tokens == pytest.approx(90, abs=2)
    assert estimator.estimate("写", scene="逼单话术").completion_tokens == unknown
    assert estimator.estimate("写", scene="开场话术", target_characters=400).completion_tokens == 300


def test_the_prompt_estimate_converges_on_what_is_used() -> None:
    estimator = TokenEstimator(overhead_tokens=400)
    prompt = "帮我写一段直播开场" * 20
    assert estimator.estimate(prompt, model="m").prompt_tokens == 400 + 135
    for _ in range(40):
        estimator.learn(prompt, Usage(800, 90), model="m")
    assert estimator.estimate(prompt, model="m").prompt_tokens == pytest.approx(800, rel=0.02)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.booleans()), max_size=50))
def test_no_history_moves_the_prompt_ratio_out_of_its_bounds(history: list[tuple[int, int, bool]]) -> None:
    estimator = TokenEstimator()
    prompt = "好" * 400
    for prompt_tokens, completion_tokens, estimated in history:
        estimator.learn(prompt, Usage(prompt_tokens, completion_tokens, estimated))
    assert 150 <= estimator.estimate(prompt).prompt_tokens <= 900


@pytest.mark.parametrize("used", [Usage(999, 90, estimated=True), Usage(999, 0)])
def test_estimates_and_cut_calls_teach_nothing(used: Usage) -> None:
    estimator = TokenEstimator()
    before = estimator.estimate("写一段")
    estimator.learn("写一段", used)
    assert estimator.estimate("写一段") == before


def test_only_the_newest_pairs_are_kept() -> None:
    estimator = TokenEstimator(capacity=2)
    for scene in ("一", "二", "三"):
        estimator.learn("写", Usage(1, 50), scene=scene)
    learned = [estimator.estimate("写", scene=s).completion_tokens == 50 for s in ("一", "二", "三")]
    assert learned == [False, True, True]
