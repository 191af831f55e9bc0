"""The verdict on a text: compliance, structure and style in one report, and the repair of what can be.

What is forbidden is the compliance room's knowledge, what a whole script is structure.py's; this module only
weighs and joins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.guard import Screened
from scriptgen.domain.observer import Observer
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.quality import QualityIssue, QualityReport, Severity
from scriptgen.domain.session import Product, Style
from scriptgen.domain.writing import WritingTask

from .profile import profile_of_style
from .structure import check_form, check_structure
from .style_features import style_agreement

#: What one issue costs of a score that starts at 1.
_PENALTIES: Final = {Severity.BLOCK: 0.35, Severity.NEEDS_EVIDENCE: 0.08, Severity.WARN: 0.04}
_STYLE_SHARE: Final = 0.15
_FAILED_AT_MOST: Final = 0.5
_MAX_SUGGESTIONS: Final = 6


class QualityAgent:
    """Reviews finished texts. Deterministic and without I/O."""

    def __init__(self, checker: ComplianceChecker, *, observer: Observer) -> None:
        self._checker = checker
        self._observer = observer

    def review(
        self, text: str, task: WritingTask, *, complete: bool = True, screened: Screened | None = None
    ) -> QualityReport:
        """The report on `text` as an answer to `task`. `complete` false: its writer was cut off. `screened`
        is what the streaming guard found, if it saw the text: the same report for less work.
        """
        issues = (
            *self._checker.review(
                text,
                category=task.category,
                product=_with_what_was_said(task),
                first_person=task.profile.first_person,
                screened=screened,
            ),
            *check_structure(text, task, complete=complete),
        )
        return self._report(text, issues, task.profile)

    def review_text(
        self, text: str, *, category: str = "", product: Product | None = None, style: Style | None = None
    ) -> QualityReport:
        """The report on a text of unknown origin; the style score is 1 where no style is given."""
        issues = (*self._checker.review(text, category=category, product=product), *check_form(text))
        return self._report(text, issues, profile_of_style(style, category) if style else None)

    def repair(self, text: str, issues: Iterable[QualityIssue]) -> str:
        """The text with every span replaced that has a safe replacement; overlapping spans: the first wins.

        The result must be reviewed again: a replacement can join with its neighbours.
        """
        out: list[str] = []
        position = 0
        for issue in sorted(issues, key=lambda issue: (issue.start, -issue.end)):
            if (
                issue.replacement is None
                or issue.start < position
                or issue.span != text[issue.start : issue.end]
            ):
                continue
            out += (text[position : issue.start], issue.replacement)
            position = issue.end
        return "".join((*out, text[position:]))

    def _report(
        self, text: str, issues: tuple[QualityIssue, ...], profile: StyleProfile | None
    ) -> QualityReport:
        for issue in issues:
            self._observer.quality_issue(issue.type, issue.severity.value)
        ordered = tuple(sorted(issues, key=lambda issue: (issue.start, issue.end)))
        passed = all(issue.severity is not Severity.BLOCK for issue in ordered)
        style_score = 1.0 if profile is None else style_agreement(text, profile)
        suggestions = dict.fromkeys(issue.suggestion for issue in ordered if issue.suggestion)
        return QualityReport(
            passed=passed,
            score=_score(ordered, style_score, passed=passed),
            issues=ordered,
            style_score=style_score,
            suggestions=tuple(suggestions)[:_MAX_SUGGESTIONS],
        )


def _with_what_was_said(task: WritingTask) -> Product:
    """The product with what the operator typed and what the source already says: both are given facts."""
    product = task.product
    if not (product.name or product.price or product.selling_points or product.facts):
        return product
    said = {"运营要求": task.instruction, "原稿": task.source_text}
    return replace(product, facts={**product.facts, **{name: text for name, text in said.items() if text}})


def _score(issues: Iterable[QualityIssue], style_score: float, *, passed: bool) -> float:
    """1 minus 0.35 per BLOCK, 0.08 per NEEDS_EVIDENCE and 0.04 per WARN, of which style holds 15 %; a text
    that did not pass has 0.5 at most.
    """
    form = max(0.0, 1.0 - sum(_PENALTIES[issue.severity] for issue in issues))
    score = form * (1 - _STYLE_SHARE + _STYLE_SHARE * style_score)
    return round(score if passed else min(score, _FAILED_AT_MOST), 3)
