from __future__ import annotations

import pytest

from scriptgen.agents.quality import QualityAgent
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.observer import Observer
from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product, Style
from scriptgen.domain.writing import TaskKind, WritingTask

SCRIPT = (
    "姐妹们晚上好，欢迎来到直播间！今天给大家看一支口红，薄涂显气色，厚涂也不夸张。"
    "上班路上补一下就精神了。喜欢的姐妹扣个1，我马上涂给你们看。"
)
TASK = WritingTask(
    TaskKind.COMPOSE,
    "写开场",
    category="美妆",
    sub_scenario="开场话术",
    product=Product(name="口红"),
    target_characters=80,
)


@pytest.fixture
def quality(checker: ComplianceChecker) -> QualityAgent:
    return QualityAgent(checker, observer=Observer())


def test_a_good_script_passes_with_a_high_score(quality: QualityAgent) -> None:
    report = quality.review(SCRIPT, TASK)
    assert report.passed
    assert report.score > 0.85
    assert 0 < report.style_score <= 1


@pytest.mark.parametrize(
    "text",
    [SCRIPT + "无效退款，放心拍。", "口红。", SCRIPT + "而且", "", SCRIPT.replace("口红", "</商品资料>")],
)
def test_passed_is_false_exactly_when_something_blocks(quality: QualityAgent, text: str) -> None:
    report = quality.review(text, TASK)
    assert not report.passed
    assert any(issue.severity is Severity.BLOCK for issue in report.issues)
    assert report.score <= 0.5
    for issue in report.issues:
        assert issue.span == text[issue.start : issue.end]


def test_a_cut_off_text_does_not_pass(quality: QualityAgent) -> None:
    cut = SCRIPT + "还有一个好消息"
    assert quality.review(cut, TASK).passed
    assert not quality.review(cut, TASK, complete=False).passed


def test_warnings_cost_score_but_not_the_verdict(quality: QualityAgent) -> None:
    doubled = SCRIPT + "喜欢的姐妹扣个1，我马上涂给你们看。"
    report = quality.review(doubled, TASK)
    assert report.passed
    assert report.score < quality.review(SCRIPT, TASK).score
    assert report.suggestions


def test_a_repaired_text_passes(quality: QualityAgent) -> None:
    text = SCRIPT + "这是国家级的口红，全网最低价。"
    report = quality.review(text, TASK)
    assert not report.passed
    repaired = quality.repair(text, report.issues)
    assert quality.review(repaired, TASK).passed
    assert repaired.startswith(SCRIPT)


def issue(text: str, start: int, end: int, replacement: str | None) -> QualityIssue:
    return QualityIssue(
        "absolute_claim", Severity.BLOCK, text[start:end], start, end, "", replacement=replacement
    )


def test_repair_replaces_only_what_has_a_replacement(quality: QualityAgent) -> None:
    text = "一二三四五六"
    issues = [
        issue(text, 4, 5, ""),
        issue(text, 0, 2, "甲"),
        issue(text, 1, 3, "重叠"),
        issue(text, 3, 4, None),
    ]
    assert quality.repair(text, issues) == "甲三四六"


def test_repair_leaves_a_text_alone_to_which_the_issues_do_not_belong(quality: QualityAgent) -> None:
    assert quality.repair("别的文字", [issue("一二三四", 0, 2, "甲")]) == "别的文字"


def test_a_text_of_unknown_origin_is_reviewed_by_the_same_checker(
    quality: QualityAgent, checker: ComplianceChecker
) -> None:
    report = quality.review_text("这支口红三天见效。", category="美妆")
    assert not report.passed
    assert report.issues == checker.review("这支口红三天见效。", category="美妆")
    assert report.style_score == 1.0


def test_a_given_style_is_compared(quality: QualityAgent) -> None:
    calm = quality.review_text(SCRIPT, style=Style(formality=0.9, interaction=0.0, avg_sentence_length=40))
    fitting = quality.review_text(SCRIPT, style=Style(formality=0.3, interaction=0.6, avg_sentence_length=17))
    assert calm.style_score < fitting.style_score
