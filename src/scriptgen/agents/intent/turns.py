"""What earlier turns were, and which of them a query means.

Turns come with their intent (stateful) or as raw texts; raw ones were read again by the rules before they get
here.
"""

from __future__ import annotations

import re

import msgspec

from scriptgen.domain.intent import Slots
from scriptgen.domain.vocabulary import REWRITING_INTENTS, WRITING_INTENTS, IntentType

from .lists import chinese_number
from .reading import Reading

_ORDINAL = re.compile(
    r"(倒数)?第([一二三四五六七八九十两]{1,3}|\d{1,3})(个?版本?|[个]?(?:段|条|份|篇|稿)|个(?!字|卖点|"
    r"产品|品|问题|点))"
)
_FIRST = re.compile(
    r"(?:最开始|最初|一开始|最早|原来|原始|最先)(?:的|写的|那|那个|那一)*(?:版|段|条|个|稿|份)|初版|"
    r"原版|首版"
)
_BEFORE_LAST = re.compile(r"上上(?:一)?[个版段条]|前前[一个版]")
#: 前一条更口语一点，后一条不动: of two the earlier one.
_FORMER = re.compile(r"前(?:面)?(?:那)?一[个版段条](?=.*后(?:面)?(?:那)?一[个版段条])")
_PRODUCT_ORDINAL = re.compile(
    r"第([一二三四五六七八九]|\d)(?:个|款)(?:产品|品|商品|单品|宝贝|链接)|(上上?|前)一?个(?:产品|品|商品|单品)"
)
_POINTS_BACK = re.compile(r"那[一]?[段条版篇个]|的那|刚才|刚刚|之前|前面|回到|原来")


class TurnState(msgspec.Struct, frozen=True):
    """One earlier turn as the next one sees it. `versions` are the script numbers it wrote (from 1)."""

    turn_index: int
    query: str
    type: IntentType
    slots: Slots
    versions: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    asked_turn: int = 0  # the turn whose request still waits, when `missing` is not empty

    @property
    def has_script(self) -> bool:
        return bool(self.versions)

    @property
    def is_work(self) -> bool:
        return self.type in REWRITING_INTENTS or self.type in WRITING_INTENTS


class Reference(msgspec.Struct, frozen=True):
    """`turn` is the turn meant, None when there is none; `absent` tells that a version was named that does
    not exist.
    """

    turn: TurnState | None
    absent: bool = False


def resolve(reading: Reading, turns: list[TurnState]) -> Reference:
    """The turn whose script is meant: by number, by what it was about, else the latest."""
    written = [t for t in turns if t.has_script]
    text = reading.normal
    ordinal = _ORDINAL.search(text)
    if ordinal:
        by_number = _by_number(ordinal, written)
        if by_number is not None:
            return by_number
    if not written:
        return Reference(None)
    if not _FIRST.search(text) and (_BEFORE_LAST.search(text) or _FORMER.search(text)):
        return Reference(written[-2]) if len(written) > 1 else Reference(None, absent=True)
    first = written[0] if _FIRST.search(text) else None
    return Reference(
        first or _by_product_order(text, written) or _by_subject(reading, written) or written[-1]
    )


def last_person(turns: list[TurnState]) -> str:
    return next((t.slots.target_name for t in reversed(turns) if t.slots.target_name), "")


def same_product(mention: str, known: str) -> bool:
    """耳机 stands for 蓝牙耳机 when that was spoken of."""
    a, b = mention.lower(), known.lower()
    return bool(a and b) and (a == b or b.endswith(a) or a in b or a.endswith(b))


def _by_number(ordinal: re.Match[str], written: list[TurnState]) -> Reference | None:
    word = ordinal[2]
    number = int(word) if word.isdigit() else chinese_number(word)
    is_version = "版" in ordinal[3] or "稿" in ordinal[3]
    newest = max((v for t in written for v in t.versions), default=0)
    if ordinal[1]:
        number = newest - number + 1
    turn = next((t for t in written if number in t.versions), None)
    if turn is not None and (is_version or newest > 1):
        return Reference(turn)
    # 第三段 of a single script is a paragraph of it, 第三版 can only be a script.
    return Reference(None, absent=True) if is_version else None


def _by_product_order(text: str, written: list[TurnState]) -> TurnState | None:
    """第一个产品, 上一个品: counted over the products spoken of, not over the scripts."""
    named = _PRODUCT_ORDINAL.search(text)
    if not named:
        return None
    products = list(dict.fromkeys(t.slots.product_name for t in written if t.slots.product_name))
    if named[1]:
        number = int(named[1]) if named[1].isdigit() else chinese_number(named[1])
    else:
        number = len(products) - len(named[2].replace("前", "上"))
    if not 0 < number <= len(products):
        return None
    return [t for t in written if t.slots.product_name == products[number - 1]][-1]


def _by_subject(reading: Reading, written: list[TurnState]) -> TurnState | None:
    slots = reading.slots
    candidates = written
    matched = False
    if slots.product_name:
        same = [t for t in candidates if same_product(slots.product_name, t.slots.product_name)]
        if same:
            candidates, matched = same, True
    rewriting = reading.type in REWRITING_INTENTS
    points_back = rewriting or bool(_POINTS_BACK.search(reading.normal))
    if points_back and reading.scene_words:
        same = [t for t in candidates if t.slots.sub_scenario in reading.scene_words]
        if same:
            candidates, matched = same, True
    if rewriting and not matched:
        for key, pattern in (
            ("event", slots.event),
            ("scenario", slots.scenario),
            ("target_name", slots.target_name),
        ):
            same = [t for t in candidates if pattern and getattr(t.slots, key) == pattern]
            if same and _POINTS_BACK.search(reading.normal):
                candidates, matched = same, True
                break
    if not matched:
        return None
    return candidates[-1]
