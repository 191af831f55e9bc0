"""The phrase banks: loads the data files and gives each phrase with the slots it needs.

A phrase is a whole sentence with `{slots}`; `[呀]` marks a particle that may be left out. Choosing among
phrases is the composer's affair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec

GENERIC: Final = "通用"
NO_PRODUCT: Final = "无品"
CONSUMABLE: Final = "消耗品"
DURABLE: Final = "耐用品"

_SLOT = re.compile(r"\{(\w+)\}")
_PARTICLE = re.compile(r"\[(.)\]")
_LIVE_ONLY = re.compile(
    r"直播|公屏|扣个?[一二懂]|小黄车|下播|开播|主播|弹幕|镜头|刚进来|点点赞|答疑|截图|橱窗|摄像"
)
#: What is said to ears and eyes and cannot stand in a written note.
_VIDEO_ONLY = re.compile(
    r"视频|我拿近|给你们看|我现在就|往下听|听完|听到|听好|听清|听听|听我|我直接说|报一下|念|嗓子"
)
_CASUAL = re.compile(
    r"[哈啦咱撸冲囤馋贼唠嗨呗瞅]|划走|别划|小手|掉链子|救命|谁懂|宝贝|掏心窝|热闹|吱一声|鸭|你没|操心"
)


class Phrase(msgspec.Struct, frozen=True):
    """`tag` is 通用, a style, 无品, 消耗品 or 耐用品. `casual` phrases do not suit formal voices, `live_only`
    ones belong to a live stream, `screen_only` ones to anything seen.
    """

    text: str
    tag: str
    slots: frozenset[str]
    casual: bool
    live_only: bool
    screen_only: bool
    origin: str = ""  # the element whose bank it stands in
    bare: bool = False  # states a selling point and nothing more

    def render(self, values: Mapping[str, str], *, particle: bool) -> str:
        text = _PARTICLE.sub(r"\1" if particle else "", self.text)
        return text.format_map(values)


class Position(msgspec.Struct, frozen=True):
    """A place in a plan: from `least` to `most` phrases of `element`; lower `rank` is filled earlier."""

    element: str
    least: int
    most: int
    rank: int


class Plan(msgspec.Struct, frozen=True):
    """Paragraphs of positions, in speaking order."""

    paragraphs: tuple[tuple[Position, ...], ...]


class PhraseBook(msgspec.Struct, frozen=True):
    """Everything the template writer can say. `points` maps known selling points to spoken expansions."""

    elements: Mapping[str, tuple[Phrase, ...]]
    flavours: Mapping[str, tuple[Phrase, ...]]
    points: Mapping[str, tuple[Phrase, ...]]
    point_keys: tuple[str, ...]  # longest first
    events: Mapping[str, tuple[Phrase, ...]]
    fact_kinds: Mapping[str, str]
    spoken_facts: Mapping[str, tuple[Phrase, ...]]
    plans: Mapping[str, Mapping[str, Plan]]

    def plan(self, form: str, sub_scenario: str) -> Plan:
        plans = self.plans.get(form) or self.plans["直播带货"]
        return plans.get(sub_scenario) or plans.get("*") or plans["产品介绍"]

    def event_lines(self, event: str) -> tuple[Phrase, ...]:
        return self.events.get(event) or self.events["*"]

    def expansions(self, point: str) -> tuple[Phrase, ...]:
        """Spoken forms of a selling point whose meaning is known, () otherwise."""
        for key in self.point_keys:
            if key in point and (
                len(key) > 1 or len(point) <= 4
            ):  # one character means little in a long clause
                return self.points[key]
        return ()

    def fact_kind(self, key: str) -> str:
        """stock, time, offer, service, price, quiet, or plain."""
        lowered = key.strip().lower()
        return self.fact_kinds.get(lowered, "plain")


def load_data(name: str) -> Any:
    """One of the package's JSON files, decoded."""
    return msgspec.json.decode(resources.files("scriptgen.llm.template").joinpath("data", name).read_bytes())


@cache
def phrase_book() -> PhraseBook:
    """The book of the packaged data files, read once."""
    elements = {}
    for name in ("openings.json", "body.json", "closings.json"):
        for element, tagged in load_data(name).items():
            elements[element] = tuple(
                _phrase(t, tag, element) for tag, texts in tagged.items() for t in texts
            )
    facts = load_data("facts.json")
    points = {key: _phrases(texts) for key, texts in load_data("points.json").items()}
    return PhraseBook(
        elements=elements,
        flavours={
            style: tuple(_phrase(t, style) for t in texts)
            for style, texts in load_data("flavours.json").items()
        },
        points=points,
        point_keys=tuple(sorted(points, key=len, reverse=True)),
        events={event: _phrases(lines) for event, lines in load_data("events.json").items()},
        fact_kinds={
            key: kind
            for kind in ("stock", "time", "offer", "service", "price", "quiet")
            for key in facts[kind]
        },
        spoken_facts={key: _phrases(texts) for key, texts in facts["spoken"].items()},
        plans={
            form: {scene: _plan(rows) for scene, rows in scenes.items()}
            for form, scenes in load_data("plans.json").items()
        },
    )


def _phrases(texts: list[str]) -> tuple[Phrase, ...]:
    return tuple(_phrase(text, GENERIC) for text in texts)


def _phrase(text: str, tag: str, origin: str = "") -> Phrase:
    return Phrase(
        text=text,
        tag=tag,
        slots=frozenset(_SLOT.findall(text)),
        casual=bool(_CASUAL.search(text)),
        live_only=bool(_LIVE_ONLY.search(text)),
        screen_only=bool(_VIDEO_ONLY.search(text)),
        origin=origin,
        bare=origin == "point_short",
    )


def _plan(rows: list[Any]) -> Plan:
    paragraphs: list[list[Position]] = [[]]
    for row in rows:
        if row == "¶":
            paragraphs.append([])
        else:
            paragraphs[-1].append(Position(*row))
    return Plan(tuple(tuple(p) for p in paragraphs))
