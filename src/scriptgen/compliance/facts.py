"""The fact guard: figures, materials, certificates and awards a script claims but the product does not state.

Its findings need evidence, they never block. Without stated facts it finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations
from typing import Final

from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product

from .figures import FactWords, Figure, bare_numbers, value_of

_BASIS: Final = "《中华人民共和国广告法》第十一条、第二十八条"
_WIDE: Final = {0xFF01 + i: 0x21 + i for i in range(94)}  # full-width ASCII, same length
_GRADE: Final = re.compile(r"(?:SPF|UPF|PA|IPX?)\s?(?:[0-9]+\+*|\++)", re.IGNORECASE)
_EXPERIENCE: Final = re.compile(
    r"我(?:自己|本人|家里?|每天|也|一直|平时|从)?[^。！？，；,!?;]{0,8}?(?:用|穿|吃|喝|敷|抹|戴|背)(?:了|过|到|完|掉)[^。！？；!?;，,]{0,10}(?:天|个月|年|瓶|盒|支|次|遍|袋|双|现在|空瓶)"
)


class FactGuard:
    """What one product states. `review` is empty when it states nothing."""

    def __init__(self, words: FactWords, product: Product | None, *, first_person: bool = True) -> None:
        self._words = words
        self._first_person = first_person
        self._active = product is not None and bool(product.facts or product.price or product.selling_points)
        if product is None or not self._active:
            return
        stated = [product.name, product.brand, product.price, *product.selling_points]
        stated += [f"{name} {value}" for name, value in product.facts.items()]
        sheet = "\n".join(stated).translate(_WIDE).casefold()
        self._blob = sheet.replace(" ", "")
        figures = {figure for _, _, figure in words.figures(sheet, stated=True)}
        price = value_of(product.price.translate(_WIDE)) if product.price else None
        if price is not None:
            figures.add(Figure(price, "元"))
        self._figures = figures | set(_derived(figures))
        self._bare = set(bare_numbers(sheet))

    def review(self, text: str) -> list[QualityIssue]:
        issues = list(self._unsupported(text)) if self._active else []
        if not self._first_person:
            issues.extend(
                _finding(text, *m.span(), "没有依据的亲身体验", "只在主播确有使用经历时说亲身体验")
                for m in _EXPERIENCE.finditer(text)
            )
        return issues

    def _unsupported(self, text: str) -> Iterator[QualityIssue]:
        folded = text.translate(_WIDE)
        lowered = folded.casefold()
        if len(lowered) != len(folded):
            lowered = folded
        taken = [m.span() for m in self._words.lawful.finditer(lowered)]

        def free(start: int, end: int) -> bool:
            return not any(a < end and start < b for a, b in taken)

        for start, end, figure in self._words.figures(lowered):
            if free(start, end):
                taken.append((start, end))
                if not self._states(figure):
                    yield _finding(
                        text, start, end, "商品资料中没有的数字", "只用商品资料里给出的数字、价格和时长"
                    )
        for match in _GRADE.finditer(lowered):
            if match.group().replace(" ", "") not in self._blob:
                yield _finding(text, *match.span(), "商品资料中没有的等级", "只用商品资料里给出的等级")
        for start, end, kind in self._words.named(lowered):
            if free(start, end) and lowered[start:end].replace(" ", "") not in self._blob:
                yield _finding(text, start, end, f"商品资料中没有的{kind}", f"只说商品资料里给出的{kind}")

    def _states(self, figure: Figure) -> bool:
        if figure in self._figures:
            return True
        known = any(f.value == figure.value and f.measure for f in self._figures)
        return not known and figure.value in self._bare


def _derived(figures: set[Figure]) -> Iterator[Figure]:
    """Prices that follow from stated ones: what is saved, two or three pieces, half."""
    prices = sorted({f.value for f in figures if f.measure == "元"})[:24]
    for price in prices:
        for count in (2, 3, 4, 5):
            yield Figure(price * count, "元")
        yield Figure(price / 2, "元")
    for a, b in combinations(prices, 2):
        yield Figure(b - a, "元")
        yield Figure(a + b, "元")


def _finding(text: str, start: int, end: int, message: str, suggestion: str) -> QualityIssue:
    return QualityIssue(
        type="unsupported_fact",
        severity=Severity.NEEDS_EVIDENCE,
        span=text[start:end],
        start=start,
        end=end,
        message=message,
        suggestion=suggestion,
        basis=_BASIS,
    )
