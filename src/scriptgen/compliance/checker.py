"""Reviews a text: sentence by sentence hits of the lexicon, stock claims, and figures no fact supports.

The streaming guard judges with the same `SentenceReviewer`, so a stream and a whole text cannot disagree.
Nothing here changes a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product

from .facts import FactGuard
from .forming import FormingWalk
from .guard import Screened, StreamGuard, Terms
from .lexicon import Lexicon
from .matcher import Hit, Matcher
from .normalise import Normalised
from .prices import keeps_to_note
from .segments import SEGMENT_LIMIT, SENTENCE_ENDS, SOFT_LIMIT
from .stock import StockLedger, may_concern_stock

#: Products whose facts are kept ready.
_FACT_GUARDS: Final = 256
#: What may stand between two findings of one type that are told as one (小人退散、财运自来).
_JOINTS: Final = frozenset("、和又还跟及")
_ENDS: Final = re.escape("".join(sorted(SENTENCE_ENDS)))
_SENTENCES: Final = re.compile(f"[^{_ENDS}]*(?:[{_ENDS}]|$)")


class ComplianceChecker:
    """One compiled lexicon; safe to share between tasks. Build it once."""

    def __init__(self, lexicon: Lexicon) -> None:
        self.lexicon = lexicon
        self._matcher = Matcher(lexicon)
        self._fact_guards: dict[bytes, FactGuard] = {}

    def review(
        self,
        text: str,
        *,
        category: str = "",
        product: Product | None = None,
        first_person: bool = True,
        screened: Screened | None = None,
    ) -> tuple[QualityIssue, ...]:
        """All findings, by start. Spans count code points of `text`, evasion characters included.

        With a product that states anything, figures and materials it does not state are `unsupported_fact`;
        with `first_person` False so is a claim of own experience. `screened` is what a guard of this checker
        found in a stream: where it is about the same text under the same terms, its sentences are not judged
        a second time. The findings are the same either way.
        """
        reviewer = self.sentence_reviewer(category=category, product=product)
        issues: list[QualityIssue] = []
        if screened is not None and screened.text == text and screened.terms == reviewer.terms:
            issues.extend(screened.issues)
        else:
            for start, sentence in self._sentences(text):
                issues.extend(reviewer.review(sentence, start))
                reviewer.note(sentence)
        issues.extend(self._facts(product, first_person=first_person).review(text))
        return tuple(sorted(issues, key=lambda issue: (issue.start, issue.end, issue.type)))

    def guard(self, *, category: str = "", product: Product | None = None) -> StreamGuard:
        """A fresh guard for one stream of one script."""
        return StreamGuard(self.sentence_reviewer(category=category, product=product), self._walk())

    def sentence_reviewer(self, *, category: str = "", product: Product | None = None) -> SentenceReviewer:
        return SentenceReviewer(self.lexicon, self._matcher, category, StockLedger.of(product))

    def _facts(self, product: Product | None, *, first_person: bool) -> FactGuard:
        """The guard over one product's facts; a session asks for the same one again and again."""
        key = canonical_json((product, first_person))
        facts = self._fact_guards.get(key)
        if facts is None:
            while len(self._fact_guards) >= _FACT_GUARDS:
                del self._fact_guards[next(iter(self._fact_guards))]
            facts = FactGuard(self.lexicon.fact_words, product, first_person=first_person)
            self._fact_guards[key] = facts
        return facts

    def _walk(self) -> FormingWalk:
        return FormingWalk(self._matcher.blocking, self.lexicon.normaliser)

    def _sentences(self, text: str) -> Iterator[tuple[int, str]]:
        """The sentences judged one by one, with their starts; together they are the text."""
        for match in _SENTENCES.finditer(text):
            sentence = match.group()
            if 0 < len(sentence) < SOFT_LIMIT:
                yield match.start(), sentence
            elif sentence:
                yield from self._cut(match.start(), sentence)

    def _cut(self, offset: int, sentence: str) -> Iterator[tuple[int, str]]:
        """A long sentence in the pieces the guard would make of it."""
        walk = self._walk()
        begin = 0
        while begin < len(sentence):
            walk.restart()
            taken, _ = walk.advance(sentence[begin : begin + SEGMENT_LIMIT], 0)
            yield offset + begin, sentence[begin : begin + taken]
            begin += taken


class SentenceReviewer:
    """Judges the sentences of one text in order; remembers what the text said about stock."""

    def __init__(self, lexicon: Lexicon, matcher: Matcher, category: str, stock: StockLedger) -> None:
        self.terms: Terms = (category, stock.stated)
        self.only_blocking = matcher.only_blocking
        self._normaliser = lexicon.normaliser
        self._matcher = matcher
        self._category = category
        self._stock = stock

    def review(self, sentence: str, offset: int = 0) -> list[QualityIssue]:
        """The findings in one sentence that begins at `offset`, by start. Remembers nothing: see `note`."""
        normalised = self._normaliser.normalise(sentence)
        stock = self._stock.after(normalised.text)
        found: dict[tuple[str, Severity], list[Hit]] = {}
        for hit in self._matcher.hits(normalised, self._category):
            severity = hit.rule.severity
            if hit.rule.stock_claim:
                judged = stock.judge(normalised.text[hit.start : hit.end], severity)
                if judged is None:
                    continue
                severity = judged
            if hit.rule.price_claim and keeps_to_note(normalised.text, hit.start, hit.end):
                continue
            found.setdefault((hit.rule.type, severity), []).append(hit)
        if not found:
            return []
        issues = [
            _issue(sentence, offset, normalised, severity, group)
            for (_, severity), hits in found.items()
            for group in _groups(normalised.text, hits)
        ]
        if len(issues) == 1:
            return issues
        return sorted(_outermost(issues), key=lambda issue: (issue.start, issue.end, issue.type))

    def note(self, sentence: str) -> None:
        """Remember what a sentence says about stock, for the sentences after it."""
        if may_concern_stock(sentence):
            self._stock = self._stock.after(self._normaliser.normalise(sentence).text)


def _outermost(issues: list[QualityIssue]) -> Iterator[QualityIssue]:
    """Leaves out what lies inside a longer finding that blocks anyway: 保证长高五厘米 is told once."""
    for issue in issues:
        if not any(
            other.severity is Severity.BLOCK
            and other.start <= issue.start
            and issue.end <= other.end
            and other.end - other.start > issue.end - issue.start
            for other in issues
        ):
            yield issue


def _groups(text: str, hits: list[Hit]) -> Iterator[list[Hit]]:
    """Hits of one type that overlap, touch, or are joined by one word."""
    group: list[Hit] = []
    end = 0
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        joined = hit.start <= end or (hit.start == end + 1 and text[end] in _JOINTS)
        if group and not joined:
            yield group
            group = []
        group.append(hit)
        end = max(end, hit.end)
    if group:
        yield group


def _issue(
    sentence: str, offset: int, normalised: Normalised, severity: Severity, group: list[Hit]
) -> QualityIssue:
    first = group[0]
    start, end = normalised.original_span(first.start, max(hit.end for hit in group))
    leading = max(group, key=lambda hit: (hit.end - hit.start, -hit.start))
    return QualityIssue(
        type=first.rule.type,
        severity=severity,
        span=sentence[start:end],
        start=offset + start,
        end=offset + end,
        message=leading.rule.message,
        suggestion=leading.rule.suggestion,
        basis=leading.rule.basis,
        replacement=_replacement(normalised.text, group),
    )


def _replacement(text: str, group: list[Hit]) -> str | None:
    """Safe text for the whole group, when its widest hits, laid end to end, each have one."""
    parts: list[str] = []
    at = group[0].start
    for hit in group:
        if hit.end <= at and parts:
            continue
        safe = hit.rule.replacement_for(text[hit.start : hit.end])
        if safe is None or (parts and hit.start < at):
            return None
        parts.append(text[at : hit.start] + safe)
        at = hit.end
    return "".join(parts)
