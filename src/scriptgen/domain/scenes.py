"""What a script of each scene must and must not contain, how long it is, and what the prompt says about it.

The knowledge is data (`data/scenes.json`). Judging wording (compliance) and writing text are not done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, Literal

import msgspec

#: Spoken Mandarin on a live stream, characters per second.
CHARACTERS_PER_SECOND: Final = 4.5
DEFAULT_SUB_SCENARIO: Final = "产品介绍"
DEFAULT_SCENARIO: Final = "直播带货"

_Need = Literal["", "product", "points", "price", "stock"]
_NUMERALS: Final = {
    "半": 0.5,
    "一": 1,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "八": 8,
    "十": 10,
}
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:秒|s(?:ec)?(?![a-z]))", re.IGNORECASE)
_MINUTES = re.compile(
    r"(\d+(?:\.\d+)?|[半一两二三四五六八十])\s*(?:个)?\s*(?:分钟|min|分(?!钟|享))(半?)", re.IGNORECASE
)
_CHARACTERS = re.compile(r"(\d+)\s*(?:多|来|个)?\s*(?:字|个字|characters|chars)", re.IGNORECASE)
_NUMBER = re.compile(r"\d+")


class SceneElement(msgspec.Struct, frozen=True):
    """One building block of a scene. `cues` are regular expressions; one match shows that it is present.

    `needs` names what must have been given before the element can be expected ("" for nothing).
    """

    name: str
    label: str
    description: str
    cues: tuple[str, ...]
    needs: _Need = ""

    def found_in(self, text: str) -> bool:
        return any(_compiled(cue).search(text) for cue in self.cues)


class SceneSpec(msgspec.Struct, frozen=True):
    """A sub_scenario in one form (直播带货, 短视频, 种草文案). `default_characters` is the length when none
    was asked for. `forbidden` elements may appear only if what they need was given.
    """

    name: str
    form: str
    required: tuple[SceneElement, ...]
    forbidden: tuple[SceneElement, ...]
    default_characters: int
    prompt_guidance: str

    def outline(self) -> str:
        """The required elements as one prompt line."""
        return _as_line(self.required)

    def cautions(self) -> str:
        """The forbidden elements as one prompt line, with what would allow them; "" without any."""
        return _as_line(self.forbidden)


def _as_line(elements: Iterable[SceneElement]) -> str:
    return "；".join(f"{element.label}：{element.description}" for element in elements)


def scene_for(sub_scenario: str, scenario: str = "") -> SceneSpec:
    """The scene of these slot values; unknown or empty ones mean 产品介绍 and 直播带货."""
    specs = _specs()
    form = scenario if scenario in _raw()["forms"] else DEFAULT_SCENARIO
    name = sub_scenario if sub_scenario in _raw()["scenes"] else DEFAULT_SUB_SCENARIO
    return specs[name, form]


def missing_elements(
    text: str,
    scene: SceneSpec,
    *,
    product_name: str = "",
    selling_points: Sequence[str] = (),
    has_price: bool = False,
    has_stock: bool = False,
) -> tuple[str, ...]:
    """Names of the required elements that `text` lacks, of those that the given facts let one expect."""
    missing = []
    for element in scene.required:
        if element.needs == "product":
            absent = bool(product_name) and product_name not in text and not element.found_in(text)
        elif element.needs == "points":
            absent = bool(selling_points) and not any(_echoes(point, text) for point in selling_points)
        elif (element.needs == "price" and not has_price) or (element.needs == "stock" and not has_stock):
            absent = False
        else:
            absent = not element.found_in(text)
        if absent:
            missing.append(element.name)
    return tuple(missing)


def target_characters(length: str, scene: SceneSpec) -> int:
    """Characters meant by a `length` slot ("30秒", "1分钟", "200字", "100字以内", "短一点"); the scene's own
    length when it says nothing. Seconds count 4.5 characters each; an upper bound aims a little below it.
    """
    text = length.strip()
    if match := _CHARACTERS.search(text):
        wanted = float(match[1])
        if re.search(r"以内|以下|之内|不超过|内$", text):
            wanted *= 0.9
    elif match := _MINUTES.search(text):
        count = _NUMERALS[match[1]] if match[1] in _NUMERALS else float(match[1])
        seconds = 60.0 * count + (30.0 if match[2] else 0.0)
        if tail := _SECONDS.search(text, match.end()):
            seconds += float(tail[1])
        wanted = seconds * CHARACTERS_PER_SECOND
    elif match := _SECONDS.search(text):
        wanted = float(match[1]) * CHARACTERS_PER_SECOND
    elif match := _NUMBER.search(text):
        wanted = float(match[0])
    elif re.search(r"短|精简|简短|简洁|少", text):
        wanted = scene.default_characters * 0.6
    elif re.search(r"长|详细|多|丰富", text):
        wanted = scene.default_characters * 1.6
    else:
        wanted = float(scene.default_characters)
    return min(3000, max(30, round(wanted)))


def _echoes(point: str, text: str) -> bool:
    """Whether the selling point is audible: as typed, or at least half of its two-character pieces."""
    if point in text:
        return True
    pieces = {point[i : i + 2] for i in range(len(point) - 1)}
    return bool(pieces) and sum(piece in text for piece in pieces) * 2 >= len(pieces)


@cache
def _compiled(cue: str) -> re.Pattern[str]:
    return re.compile(cue)


@cache
def _raw() -> dict[str, Any]:
    data = resources.files("scriptgen.domain").joinpath("data/scenes.json").read_bytes()
    decoded: dict[str, Any] = msgspec.json.decode(data)
    return decoded


@cache
def _specs() -> dict[tuple[str, str], SceneSpec]:
    raw = _raw()
    elements = {
        name: SceneElement(name, e["label"], e["description"], tuple(e["cues"]), e.get("needs", ""))
        for name, e in raw["elements"].items()
    }
    specs = {}
    for name, scene in raw["scenes"].items():
        for form, extra in raw["forms"].items():
            kept = [r for r in scene["required"] if r not in extra.get("drop", ())]
            specs[name, form] = SceneSpec(
                name=name,
                form=form,
                required=tuple(elements[r] for r in (*extra["required"], *kept)),
                forbidden=tuple(elements[f] for f in scene["forbidden"]),
                default_characters=extra["characters"] or scene["characters"],
                prompt_guidance=f"{scene['guidance']}{extra['guidance']}",
            )
    return specs
