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
#: 榴莲过了，现在上芒果干: what was on sale and is no more.
_SOLD_OUT = re.compile(
    r"(?=[过讲卖播介抢秒售拍推断缺无没下撤翻停先])(?:(?:[讲卖播说推]|介绍)?过完?[了啦]|(?:[卖抢秒售拍播推讲]|介绍)(?:完|光|空|没|罄|断)货?[了啦]?|"
    r"[断没缺无]货[了啦]?|没(?:库存)?了|下架[了啦]?|先?撤[了掉]?|翻篇[了啦]?|停[播售卖]?[了啦]|下[了啦]|先(?:下|停|放一?放|放着|收了|搁着|不[卖播讲推上]了?))"
    rf"(?=[{_SEPARATORS}]|那|就|再|还|接|该|然后|下一|现在|轮到|换|改|上|来|$)"
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
    spans, sold = _settled_spans(text), _before(_SOLD_OUT, text)
    if not spans and not sold:
        return mentions, products
    settled: set[Mention] = set()
    for kinds in ({"sub_scenario", "weak_sub"}, {"scenario"}, {"event"}):
        settled |= _inside([m for m in mentions if m.kind in kinds], spans)
    dropped = _inside(products, spans + sold)
    return [m for m in mentions if m not in settled], [p for p in products if p not in dropped]


def _settled_spans(text: str) -> list[Span]:
    spans = _before(_DONE, text)
    if _MAY_HOLD.search(text):
        spans += [held.span(held.lastgroup) for held in _HELD.finditer(text) if held.lastgroup]
    return spans


def _before(done: re.Pattern[str], text: str) -> list[Span]:
    """What stands between the last separator and the words that say it is done."""
    return [
        (max((s.end() for s in _SEPARATOR.finditer(text, 0, m.start())), default=0), m.start())
        for m in done.finditer(text)
    ]


def _inside(items: Sequence[T], spans: list[Span]) -> set[T]:
    inside = {i for i in items if any(a <= i.start < b for a, b in spans)}
    return inside if len(inside) < len(items) else set()
