"""Lists within a request: scenes, events or products that are joined like one, and how many scripts are asked
for. Which of them a request is about is decided elsewhere.
"""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

from .heads import ProductMention
from .lexicon import Mention

_JOINED = re.compile(
    r"(?:的?话术|稿|的?文案|脚本)?[,、]?(?:再|还有|然后|外加)(?:来|写|要|给|整|出)?(?:我)?[一1两]?[个段条份版]?"
    r"|(?:话术)?[1-9一两三四五六](?:条|段|个|版|份)[、,]"
    r"|(?:版|稿|的?话术|的?文案|脚本|的)?(?:来|写|要|各)?[一1两三][段个条版份](?:[,、]|和)?"
    r"|(?:的?话术|环节|那?段|的?文案|脚本|稿|的)?(?:、|和|跟|与|及|以及|还有|再来|外加|再加|\+|/|&|加|\s)+(?:[一1两三][段个条版份篇])?"
)
#: A comma joins a list only where the request says that each item is meant (开场,逼单,下播各一段).
_JOINED_BY_COMMA = re.compile(r"(?:的?话术)?\s?,\s?")
_EACH_MEANT = re.compile(r"各|每|都|分别|一样一|一次|一起|一块|一并|一口气|全要|全写|打包")
#: 卖点是显白: what follows is told of the scene's name, the scene itself is not asked for.
_LABEL = re.compile(r"(?:就|主要)?(?:是|有|为|包括|:)")
_ONE_OF = re.compile(r"(?<![这那每整几各])[个段条份篇版]$")
_MAX_GAP = 8
#: So many scenes side by side (开场逼单下播) are a list without any joint.
_NO_CHANCE = 3
_COUNT = re.compile(r"([1-9]\d?|[一两俩二三四五六七八九十]{1,3})(?:条|段|版|个|篇|套|份|种|组|则)")
_COUNTS_SOMETHING_ELSE = re.compile(r"卖点|品|产品|优惠")
_DIGITS = {c: i + 1 for i, c in enumerate("一二三四五六七八九十")} | {"两": 2, "俩": 2}


class Lists(msgspec.Struct, frozen=True):
    """Runs of two or more scenes, scenarios, events or products joined like a list; empty without one."""

    scenes: list[str]
    scenarios: list[str]
    events: list[str]
    products: list[ProductMention]
    counted: bool = False  # 一个直播和一个视频: each of several forms has a number of its own

    @property
    def longest(self) -> int:
        forms = len(self.scenarios) if self.counted else 0
        return max(len(self.scenes), len(self.events), len(self.products), forms)


def find_lists(text: str, mentions: list[Mention], products: list[ProductMention]) -> Lists:
    scenes = [m for m in mentions if m.kind in {"sub_scenario", "weak_sub"} and not _LABEL.match(text, m.end)]
    forms = [m for m in mentions if m.kind == "scenario"]
    return Lists(
        scenes=_joined_values(text, scenes),
        scenarios=_joined_values(text, forms),
        counted=sum(bool(_ONE_OF.search(text, max(0, m.start - 2), m.start)) for m in forms) > 1,
        events=_joined_values(text, [m for m in mentions if m.kind == "event"]),
        products=_joined_products(text, products),
    )


def script_count(text: str) -> str:
    """The number of scripts asked for in digits, "" when one or none is named."""
    for match in _COUNT.finditer(text):
        if text[max(0, match.start() - 1) : match.start()] in {"第", "前", "上", "每"}:
            continue
        number = match[1]
        value = int(number) if number.isdigit() else chinese_number(number)
        if value > 1 and not _COUNTS_SOMETHING_ELSE.match(text, match.end()):
            return str(value)
    return ""


def chinese_number(word: str) -> int:
    """一 to 九十九; 0 for what is no such number."""
    if "十" in word:
        tens, _, units = word.partition("十")
        return (_DIGITS.get(tens, 1) if tens else 1) * 10 + (_DIGITS.get(units, 0) if units else 0)
    return _DIGITS.get(word, 0)


def _is_joint(text: str, start: int, end: int) -> bool:
    if end - start > _MAX_GAP:
        return False
    if _JOINED.fullmatch(text, start, end):
        return True
    # 双11双12都要用: side by side or with a comma only when the request says that each is meant.
    if start == end and _EACH_MEANT.search(text):
        return True
    loose = bool(_JOINED_BY_COMMA.fullmatch(text, start, end))
    return loose and bool(_EACH_MEANT.search(text, end))


def _joined_values(text: str, mentions: list[Mention]) -> list[str]:
    """The values of the longest run of mentions that are joined like a list."""
    if len(mentions) < 2:
        return []
    side_by_side = list(dict.fromkeys(m.value for m in mentions))
    if len(side_by_side) >= _NO_CHANCE and all(a.end == b.start for a, b in pairwise(mentions)):
        return side_by_side
    best: list[str] = []
    run: list[Mention] = []
    for m in mentions:
        if run and not _is_joint(text, run[-1].end, m.start):
            run = []
        run.append(m)
        values = list(dict.fromkeys(r.value for r in run))
        if len(values) > len(best):
            best = values
    return best if len(best) > 1 else []


def _joined_products(text: str, products: list[ProductMention]) -> list[ProductMention]:
    if len(products) < 2:
        return []
    best: list[ProductMention] = []
    run: list[ProductMention] = []
    for p in products:
        if run and not _is_joint(text, run[-1].end, p.start):
            run = []
        run.append(p)
        if len(run) > len(best):
            best = list(run)
    return best if len(best) > 1 else []
