"""Chooses the slot value among the scenes, scenarios and styles that an instruction mentions: the wanted one,
not the one that was, is negated, or only labels something else.
"""

from __future__ import annotations

import re

from .lexicon import Mention

_TARGET_VALUE = re.compile(
    r"换成|换为|改成|改为|转成|转为|变成|整成|做成|弄成|调成|写成|改写成|翻成|改做|切换成|搞成|整个|"
    r"来个"
)
_NEGATED_BEFORE = re.compile(r"(?:别|不要|不用|少|不想要?)(?:再|那么|这么|太|用|搞)*$")
_TOO_BEFORE = re.compile(r"(?:太|过于|有点)$")


def target_start(text: str) -> int:
    """Where the wanted value begins in 把短视频版改成直播版: what stands before is what it was."""
    matches = list(_TARGET_VALUE.finditer(text))
    return matches[-1].end() if matches else 0


def scenario_of(mentions: list[Mention], target: int, *, last: bool, literal: bool) -> str:
    wanted = [m for m in mentions if m.start >= target] or ([] if target and last else mentions)
    if not wanted:
        return mentions[-1].value if mentions and not target else ""
    values = [m.value for m in wanted]
    if literal and len(set(values)) > 1:
        return ""
    if last:
        return values[-1]
    # 直播 is often only the place (直播间要用的短视频): the rarer word names what is to be written.
    return next((v for v in values if v != "直播带货"), values[0])


def sub_scenario_of(text: str, mentions: list[Mention], *, literal: bool) -> str:
    scenes = [m for m in mentions if m.kind == "sub_scenario" and not _is_point_label(text, m)]
    if literal:
        # 怎样的开场能留住人: a verb in a question names no scene.
        scenes = [m for m in scenes if text[m.start : m.end] != "留住人"]
    if literal and len({m.value for m in scenes}) > 1:
        return ""
    if scenes:
        named = [
            m
            for m in scenes
            if not (m.value == "下播话术" and re.match(r"(?:的时候|时|前|后|之前|以后)", text[m.end :]))
        ]
        specific = [m for m in named if m.value != "卖点介绍"] or named or scenes
        return specific[0].value
    if literal:
        return ""
    return next((m.value for m in mentions if m.kind == "weak_sub"), "")


def _is_point_label(text: str, mention: Mention) -> bool:
    """卖点 in 卖点是显白 labels the points, it does not name the scene; neither does 开播 in 直播马上开播."""
    word = text[mention.start : mention.end]
    rest = text[mention.end : mention.end + 12]
    before = text[max(0, mention.start - 3) : mention.start]
    if word in {"卖点", "产品卖点"}:
        if re.search(r"的$", before) and not re.match(r"[是有为:]", rest):
            return False
        return (
            bool(re.match(r"(?:就?是|有|为|主要|包括|改|换|[:：])", rest))
            or bool(re.search(r"突出|把$|[加补](?:个|条|点|一个|上)?$", before))
            or (bool(re.match(r"[^,，。的]{2,8}、", rest)))
        )
    if word in {"开播", "下播"}:
        return bool(re.match(r"[了前]|时间", rest)) or bool(re.search(r"马上|快要|准备|就要|[刚要]$", before))
    if word in {"互动", "售后"}:
        return bool(re.search(r"[加多些点强有]$", before)) or bool(re.match(r"[感性好少]|无忧|有保障", rest))
    return word == "促销" and bool(re.search(r"[在有]$", before))


def styles_of(
    text: str, mentions: list[Mention], target: int, points: list[tuple[int, int]]
) -> tuple[str, ...]:
    found: list[str] = []
    for m in mentions:
        if m.kind != "style" or m.start < target or any(a <= m.start < b for a, b in points):
            continue
        before, after = text[max(0, m.start - 5) : m.start], text[m.end : m.end + 3]
        if _NEGATED_BEFORE.search(before) or (_TOO_BEFORE.search(before) and not re.match(r"[的]", after)):
            continue
        if m.value not in found:
            found.append(m.value)
    return tuple(found)
