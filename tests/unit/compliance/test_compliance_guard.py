"""The streaming guard agrees with the whole-text review, however the stream is cut."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.guard import MAX_HELD, StreamGuard
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product

CHECKER = ComplianceChecker(load_lexicon())
CASES = [json.loads(line) for line in (Path(__file__).parent / "cases.jsonl").read_text("utf-8").splitlines()]


def _with_warnings() -> ComplianceChecker:
    """A checker whose tenant added a rule that never blocks."""
    rule = {"id": "t-warn", "type": "vulgar", "severity": "WARN", "terms": ["家人们"]}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "additions.json"
        path.write_text(json.dumps({"format": 1, "version": "t", "rules": [rule]}), "utf-8")
        return ComplianceChecker(load_lexicon(additions=path))


WITH_WARNINGS = _with_warnings()

FRAGMENTS = [
    "全网最低价",
    "顶级",
    "顶",
    "级",
    "最",
    "蕞",
    "zui",
    "好看",
    "好用的",
    "最好提前",
    "治疗",
    "治",
    "疗",
    "失眠",
    "跳楼价",
    "跳lou价",
    "卧槽",
    "加微",
    "加微辣",
    "信",
    "➕V",
    "🏢",
    "❤",
    "f",
    "の",
    "只剩最后5单",
    "库存两千件",
    "不要相信",
    "包治百病",
    "都是骗人的",
    "第一次",
    "全国第一",
    "保证",
    "升值",
    "今天",
    "家人们",
    "这款面膜",
    "，",
    "。",
    "！",
    "\n",
    " ",
    "·",
    "\u200b",
    "  ·",
    "、",
    "𠮷",
    "😀",
    "《",
    "》",
    "ＮＯ.1",
    "國家級",
    "\u0301",
    "错过后悔一辈子",
]
TEXTS = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join),
    st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=4)), max_size=25).map("".join),
    st.lists(st.sampled_from([c["text"] for c in CASES]), max_size=4).map("".join),
    st.lists(st.sampled_from(FRAGMENTS[:37]), min_size=60, max_size=120).map("".join),
)


def blocking(text: str, category: str = "") -> list[QualityIssue]:
    return [i for i in CHECKER.review(text, category=category) if i.severity is Severity.BLOCK]


def run(guard: StreamGuard, pieces: list[str]) -> tuple[str, QualityIssue | None, tuple[QualityIssue, ...]]:
    released = ""
    repairs: tuple[QualityIssue, ...] = ()
    blocked: QualityIssue | None = None
    for piece in pieces:
        out = guard.feed(piece)
        assert guard.held <= MAX_HELD
        released, repairs, blocked = released + out.released, repairs + out.repairs, blocked or out.blocked
    out = guard.finish()
    return released + out.released, blocked or out.blocked, repairs + out.repairs


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    at = sorted({0, len(text), *(c % (len(text) + 1) for c in cuts)})
    return [text[a:b] for a, b in pairwise(at)]


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_what_is_released_does_not_depend_on_the_chunking(text: str, cuts: list[int]) -> None:
    whole = run(CHECKER.guard(), [text])
    assert run(CHECKER.guard(), pieces_of(text, cuts)) == whole
    assert run(CHECKER.guard(), list(text)) == whole


@settings(max_examples=200, deadline=None)
@given(text=TEXTS, cuts=st.lists(st.integers(0, 10_000), max_size=12))
def test_nothing_blocked_is_ever_released(text: str, cuts: list[int]) -> None:
    released, blocked, repairs = run(CHECKER.guard(), pieces_of(text, cuts))
    assert blocking(released) == []
    if not blocking(text):
        assert (released, blocked, repairs) == (text, None, ())
    else:
        assert blocked is not None or repairs


@settings(max_examples=200, deadline=None)
@given(
    text=TEXTS,
    cuts=st.lists(st.integers(0, 10_000), max_size=12),
    stock=st.sampled_from(["", "3单", "2000件"]),
    lexicon=st.sampled_from([CHECKER, WITH_WARNINGS]),
)
def test_what_the_guard_found_is_what_a_review_of_the_released_text_finds(
    text: str, cuts: list[int], stock: str, lexicon: ComplianceChecker
) -> None:
    product = Product(name="核桃", price="39元", facts={"库存": stock} if stock else {})
    guard = lexicon.guard(category="食品", product=product)
    released, blocked, _ = run(guard, pieces_of(text, cuts))
    screened = guard.screened()
    assert (screened is None) is (blocked is not None)
    if screened is None:
        return
    assert screened.text == released
    assert screened.issues == tuple(
        issue
        for issue in lexicon.review(released, category="食品", product=product)
        if issue.type != "unsupported_fact"
    )
    assert lexicon.review(
        released, category="食品", product=product, first_person=False, screened=screened
    ) == lexicon.review(released, category="食品", product=product, first_person=False)


def test_a_screening_on_other_terms_is_not_used() -> None:
    text = "煮沸以后能杀菌，仅剩3单了。"
    guard = CHECKER.guard(category="家居")
    run(guard, [text])
    screened = guard.screened()
    assert screened is not None
    plenty = Product(name="锅", facts={"库存": "2000件"})
    for category, product in (("食品", None), ("家居", plenty)):
        assert CHECKER.review(text, category=category, product=product, screened=screened) == CHECKER.review(
            text, category=category, product=product
        )
    assert CHECKER.review(text + "包治百病。", category="家居", screened=screened) == CHECKER.review(
        text + "包治百病。", category="家居"
    )


def test_nothing_counts_as_screened_before_the_end_or_after_a_block() -> None:
    guard = CHECKER.guard(category="食品")
    guard.feed("今天跳")
    assert guard.screened() is None
    guard.finish()
    assert guard.screened() is not None
    guard = CHECKER.guard(category="食品")
    run(guard, ["能治疗失眠。"])
    assert guard.screened() is None


@settings(max_examples=100, deadline=None)
@given(text=TEXTS)
def test_every_prefix_shown_on_the_way_is_clean(text: str) -> None:
    guard, shown = CHECKER.guard(category="食品"), ""
    for character in text:
        out = guard.feed(character)
        shown += out.released
        if out.released:
            assert blocking(shown, "食品") == []


@pytest.mark.parametrize("batch", sorted({case["id"].rpartition("-")[0] for case in CASES}))
def test_a_streamed_case_passes_exactly_when_its_review_does(batch: str) -> None:
    for case in CASES:
        if case["id"].startswith(f"{batch}-"):
            text, category = case["text"], case["category"]
            released, blocked, repairs = run(CHECKER.guard(category=category), list(text))
            clean = not blocking(text, category)
            assert (blocked is None and not repairs) is clean, case["id"]
            assert (released == text) is clean, case["id"]


def test_plain_text_leaves_at_once() -> None:
    guard = CHECKER.guard(category="食品")
    assert guard.feed("家人们晚上好呀").released == "家人们晚上好呀"
    assert guard.held == 0


def test_a_term_that_may_be_forming_is_held_and_let_go_when_it_is_not() -> None:
    guard = CHECKER.guard(category="食品")
    assert guard.feed("今天跳").released == "今天"
    assert guard.feed("绳吧").released == "跳绳吧"


def test_an_evasion_split_over_chunks_is_blocked() -> None:
    guard = CHECKER.guard(category="美妆")
    released = "".join(guard.feed(piece).released for piece in ("能治", "·", "疗", "痘", "痘，很好。"))
    assert "治" not in released
    assert guard.feed("后面的话").released == ""
    assert guard.feed("再后面").blocked is not None


def test_a_span_with_a_replacement_is_repaired_in_place() -> None:
    released, blocked, repairs = run(
        CHECKER.guard(category="家居"), list("今天跳楼价清仓，只要59！喜欢就拍。")
    )
    assert blocked is None
    assert released == "今天活动价清仓，只要59！喜欢就拍。"
    assert [r.span for r in repairs] == ["跳楼价"]


def test_a_warning_later_in_the_sentence_frees_the_hit() -> None:
    text = "包治百病都是骗人的，咱们就当零食吃。"
    assert run(CHECKER.guard(category="食品"), list(text)) == (text, None, ())


def test_a_stock_claim_that_facts_disprove_is_blocked() -> None:
    text = "家人们，仅剩3单了！"
    assert run(CHECKER.guard(), list(text))[1] is None
    product = Product(name="核桃", facts={"库存": "2000件"})
    assert run(CHECKER.guard(product=product), list(text))[1] is not None


def test_a_sentence_without_end_is_held_back_by_a_bound() -> None:
    guard = CHECKER.guard()
    for _ in range(200):
        guard.feed("治疗" if _ == 0 else "好好好好好")
        assert guard.held <= MAX_HELD


def test_the_cost_of_a_stream_grows_with_its_length_only() -> None:
    sentence = "家人们这款面膜补水保湿很温和，我最近一直在用，第一次来的朋友可以点点关注。"

    def cost(times: int) -> float:
        text = sentence * times
        best = float("inf")
        for _ in range(3):
            guard = CHECKER.guard(category="美妆")
            began = time.process_time()
            for at in range(0, len(text), 2):
                guard.feed(text[at : at + 2])
            guard.finish()
            best = min(best, time.process_time() - began)
        return best

    cost(2)
    assert cost(160) < 8 * 3 * cost(20)


def test_a_repair_that_joins_shown_text_to_a_new_term_blocks() -> None:
    released, blocked, _ = run(CHECKER.guard(), ["最國家級"])
    assert blocked is not None
    assert blocking(released) == []
