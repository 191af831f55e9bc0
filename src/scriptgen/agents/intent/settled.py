"""Tells what a request says is there already (开场有了，逼单呢) from what it asks for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol, TypeVar

from .heads import ProductMention
from .lexicon import Mention

Span = tuple[int, int]

_SEPARATORS = r",，。!！?？;；\s"
_SEPARATOR = re.compile(f"[{_SEPARATORS}]")
#: What stands between the last separator and these words is there.
_DONE = re.compile(
    r"(?=[有写讲念播说做搞弄整绍好会妥o够齐定收结完不这没可到自])(?:有[了啦]|[写讲念播说做搞弄整绍](?:完了?|好了|过了|定了)|[好会妥][了啦]|(?:ok|够|齐|搞定|收到|齐活|定稿|结束|完成)了?|"
    r"不缺了?|不用(?:再)?[写要改管来弄]?了|不要了|这样|完[了事]了?|没问题了?|可以了|定了|到位了|自己有了?)"
    rf"(?=[{_SEPARATORS}]|那|就[下写来要]|再|还|接|该|然后|下一|$)"
)
#: 有开场了, 除了开场, 只有开场不够, 开场之后的: what these words hold is there.
_HELD = re.compile(
    rf"(?<![一-龥a-z0-9])(?:已经)?有(?P<had>[^{_SEPARATORS}有]{{2,8}})了(?=[{_SEPARATORS}])|"
    rf"只?[有光](?P<alone>[^{_SEPARATORS}]{{2,8}})不[够行](?=[{_SEPARATORS}])|"
    rf"除了?(?P<besides>[^{_SEPARATORS}]{{2,8}}?)(?:之外|以外|外|(?=[{_SEPARATORS}]|还|再|也))|"
    rf"(?<![一-龥a-z0-9])(?P<before>[^{_SEPARATORS}的]{{2,6}})(?:之后|后面|以后|完了)的"
)
_MAY_HOLD = re.compile(r"[有光除后完]")


class _Placed(Protocol):
    @property
    def start(self) -> int: ...


T = TypeVar("T", bound=_Placed)


def still_open(
    text: str, mentions: list[Mention], products: list[ProductMention]
) -> tuple[list[Mention], list[ProductMention]]:
    """Mentions and products without the settled ones, as long as others of the kind are left to ask for.

    A product that only the settled half names (口红的开场有了，下播呢) is what the rest is about, too.
    """
    spans = _settled_spans(text)
    if not spans:
        return mentions, products
    settled: set[Mention] = set()
    for kinds in ({"sub_scenario", "weak_sub"}, {"scenario"}, {"event"}):
        settled |= _inside([m for m in mentions if m.kind in kinds], spans)
    dropped = _inside(products, spans)
    return [m for m in mentions if m not in settled], [p for p in products if p not in dropped]


def _settled_spans(text: str) -> list[Span]:
    spans: list[Span] = []
    for done in _DONE.finditer(text):
        start = max((s.end() for s in _SEPARATOR.finditer(text, 0, done.start())), default=0)
        spans.append((start, done.start()))
    if _MAY_HOLD.search(text):
        spans += [held.span(held.lastgroup) for held in _HELD.finditer(text) if held.lastgroup]
    return spans


def _inside(items: Sequence[T], spans: list[Span]) -> set[T]:
    inside = {i for i in items if any(a <= i.start < b for a, b in spans)}
    return inside if len(inside) < len(items) else set()
