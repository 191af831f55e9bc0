"""Reads the figures of a text: amounts with a unit, prices, percentages, sales and durations of the product.

What counts as a figure is data (`data/facts.json`); ordinary counting (一款, 第一次, 三号链接) is none.
Which figures are true is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal, InvalidOperation
from importlib import resources
from typing import Any, Final

import ahocorasick
import msgspec

from .numbers import number_in

FORMAT: Final = 1
_CHINESE: Final = "[零〇一二两三四五六七八九十百千万]"
_NUMBER: Final = re.compile(
    rf"百分之(?P<percent>百|{_CHINESE}+)|[0-9]+(?:,[0-9]{{3}})*(?:\.[0-9]+)?[万千百]?|{_CHINESE}+"
)
_AMOUNT: Final = re.compile(r"[^0-9]*?([0-9][0-9,]*(?:\.[0-9]+)?)([万千百])?")
_MULTIPLES: Final = {"万": 10_000, "千": 1_000, "百": 100, None: 1}
_CLAUSE_MARKS: Final = "。！？，；,!?;\n"
_CLAUSE: Final = re.compile(f"[^{_CLAUSE_MARKS}]*")
_ORDINAL: Final = re.compile("(?:第|[倒读]数)$")
#: What follows a bare number that is no price: a date, a rank, a link's number.
_NO_PRICE: Final = re.compile("[个款次号点天年月折件支]|分钟")
_PRICE_LINK: Final = "(?:了|是|才|只要|要)?\\s?$"
#: Units that are as often no measure: 一块儿, 两片一起.
_LOOSE_UNITS: Final = frozenset("块片颗层卡")
_LOOSE_AFTER_ONE: Final = frozenset("块层片颗倍米斤两升寸卡")


class Figure(msgspec.Struct, frozen=True):
    """`measure` is "" when no unit was given, 元 for all prices."""

    value: Decimal
    measure: str


class FactWords:
    """The words of facts, compiled. Build it once; raises ValueError when the data is not of this format."""

    def __init__(self, data: dict[str, Any]) -> None:
        if data.get("format") != FORMAT:
            raise ValueError(f'facts.json: a JSON object with "format": {FORMAT} is needed')
        self._measures = {unit: name for name, units in data["units"].items() for unit in units}
        self._unit = re.compile(rf"\s?({_any(self._measures)})(?![a-z])", re.IGNORECASE)
        self._duration = re.compile(f"(?:{_any(data['durations'])})")
        self._sale = re.compile(f"[多来余+]?(?:{_any(data['sales_units'])})")
        self._price_word = re.compile(f"(?:{_any(data['price_words'])}){_PRICE_LINK}")
        self._sales_word = re.compile(f"(?:{_any(data['sales_words'])})[^。！？，；,!?;]{{0,6}}$")
        self._lasting = re.compile(_any(data["lasting_words"]))
        self.lawful = re.compile(data["lawful"])
        self._named = ahocorasick.Automaton()
        for kind, names in data["named"].items():
            for name in names:
                self._named.add_word(name, (len(name), kind))
        self._named.make_automaton()

    @classmethod
    def packaged(cls) -> FactWords:
        return cls(json.loads((resources.files(__package__) / "data/facts.json").read_text("utf-8")))

    def named(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Materials, certificates and awards in case-folded text, the longest at each place."""
        for last, (length, kind) in self._named.iter_long(text):
            yield last + 1 - length, last + 1, kind

    def figures(self, text: str, *, stated: bool = False) -> Iterator[tuple[int, int, Figure]]:
        """Figures with their spans. In a fact sheet (`stated`) every number with a unit counts."""
        for number in _NUMBER.finditer(text):
            start, end = number.span()
            if number["percent"]:
                yield start, end, Figure(Decimal(number_in(number["percent"]) or 100), "%")
                continue
            value = value_of(number.group())
            if value is None:
                continue
            unit = self._unit.match(text, end)
            if unit is not None and (stated or _measures(text, number.group(), start, unit[1].casefold())):
                yield start, unit.end(), Figure(value, self._measures[unit[1].casefold()])
            sale = self._sale.match(text, end)
            if sale is not None and self._sales_word.search(text, max(0, start - 12), start):
                yield start, sale.end(), Figure(value, "")
            elif unit is None and self._is_price(text, number.group(), start, end):
                yield start, end, Figure(value, "元")
            duration = self._duration.match(text, end)
            if duration is not None and (
                stated or (number.group() != "一" and self._lasting.search(_clause(text, start, end)))
            ):
                yield start, duration.end(), Figure(value, "")

    def _is_price(self, text: str, number: str, start: int, end: int) -> bool:
        return (
            (len(number) > 1 or number.isdecimal())
            and _NO_PRICE.match(text, end) is None
            and self._price_word.search(text, max(0, start - 8), start) is not None
        )


def _any(words: Iterable[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


def bare_numbers(text: str) -> Iterator[Decimal]:
    """Every number of a text, whatever it counts."""
    for number in _NUMBER.finditer(text):
        value = value_of(number.group())
        if value is not None:
            yield value


def value_of(text: str) -> Decimal | None:
    """The number at the beginning of a text (1,299.5, 3万, 三百九), None when there is none."""
    number = _AMOUNT.match(text)
    if number is None:
        whole = number_in(text)
        return None if whole is None else Decimal(whole)
    try:
        return Decimal(number.group(1).replace(",", "")) * _MULTIPLES[number.group(2)]
    except InvalidOperation:
        return None


def _measures(text: str, number: str, start: int, unit: str) -> bool:
    """Whether number and unit are an amount: not 一块儿, 第三层, 两片一起."""
    if _ORDINAL.search(text, max(0, start - 2), start):
        return False
    if number in {"一", "几", "两", "二"} and unit in _LOOSE_AFTER_ONE:
        return False
    return unit not in _LOOSE_UNITS or number[0].isdecimal() or len(number) > 1


def _clause(text: str, start: int, end: int) -> str:
    left = max(text.rfind(mark, 0, start) for mark in _CLAUSE_MARKS)
    right = _CLAUSE.match(text, end)
    return text[left + 1 : right.end() if right else end]
