"""Chooses the slot value among the scenes, scenarios and styles that an instruction mentions: the wanted one,
not the one that was, is negated, or only labels something else.
"""

from __future__ import annotations

import re

from .heads import ProductMention
from .lexicon import Mention

_MANNER_AFTER = re.compile(r"的?(?:时候|口[吻气]|语气|风格|腔|路[子数]|调|感觉|样子|那|是?(?:啥|什么))")
_USUALLY = frozenset({"", "平时", "平常", "一般"})
_VERB_BEFORE = re.compile(r"[要来去会帮在想]$")
_TARGET_VALUE = re.compile(
    r"(?:换成|换为|改成|改为|转成|转为|变成|整成|做成|弄成|调成|写成|改写成|翻成|改做|切换成|搞成|整个|"
    r"来个)(?!\")"
)
_UNREAL_BEFORE = re.compile(r"(?:没人?|没有|不|几[个条点]|让\S{1,3}|[要想]\S?)$")
_AT_THE_TIME = re.compile(r"(?:的时候|时|前|后|之前|以后)")
_LABELS_AFTER = re.compile(r"(?:就?是|有|为|主要|包括|改|换|[:：])|[^,，。的]{2,8}、")
_LABELLED_BEFORE = re.compile(r"突出|把$|[加补](?:个|条|点|一个|上)?$")
_SCENE_AFTER = re.compile(r"的?话|的?词|[、和跟与,]|各|每|都|的?那?[段条]")
_LISTED_BEFORE = re.compile(r"[、和跟与,]$")
_SOON_BEFORE = re.compile(r"马上|快要|准备|就要|[刚要]$")
_SOON_AFTER = re.compile(r"[了前]|时间")
#: 炒锅介绍完了: what is over is not wanted.
_DONE_AFTER = re.compile(r"(?:都|已经)?(?:完|过了|好了)")
#: 把介绍材质那句删了: the verb, not the scene.
_WITH_OBJECT = re.compile(
    r"[^,，。、:的那这太写缩改删]{1,6}[那这]一?[句段个块]|[^,，。、:的那这太写缩改删]{2,6}的(?:那|部分|地方|句)"
)
_MORE_BEFORE = re.compile(r"[加多些强有]$|(?<![搞来写整弄])点$")
_QUALITY_AFTER = re.compile(r"[感性好少]|无忧|有保障")
_LOOSE_EVENTS = frozenset({"过年", "新年", "跨年", "开学", "周年", "六一"})
#: 像邻居唠嗑: a likeness that shows what 亲切些 means, no style beside it.
_CHATS = frozenset({"唠嗑", "唠家常", "拉家常", "聊天"})
_LIKE_BEFORE = re.compile(r"[像跟和如][^,，。]{1,8}$")
_CLAUSE_MARKS = re.compile(r"[,，。!！?？;；\s]")
#: 周五晚上开播，促销写得有气势点: when it begins.
_ON_AIR = re.compile(r"(?:晚上?|天|点|午|下周|待会儿?|一会儿?)(?:就|要)?开播了?$")
_ASKS_FOR = re.compile(
    r"写(?![得的完好过])|来|要(?![求不])|补|给我|给[个段]|安排|轮到|[呢][?？]?$|缺|差|还没|走起|整|接下来|下一|上$"
)
#: 跟刚才开场一样: the clause points at a script, is settled or puts off.
_POINTS = re.compile(
    r"刚才|之前|上面|那[段条版]|接在|一样|一致|风格|有现成|写得|先放|先不|不要|别|过关|就用|够用|[^要]有了|^有了|可以了?$|放放"
)
_NEGATED_BEFORE = re.compile(r"(?:(?<!分)别|不要|不用|少|不想要?)(?:再|那么|这么|太|用|搞|像|跟)*$")
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


def sells(text: str, mention: Mention, *, by: tuple[int, int] | None, goods: list[ProductMention]) -> bool:
    """吴老师要带货, 东哥带货酸奶: what somebody does, not what is to be written."""
    if text[mention.start : mention.end] != "带货":
        return False
    named = by is not None and text[by[1] : mention.start] in _USUALLY
    if named and (_MANNER_AFTER.match(text, mention.end) or any(p.start == mention.end for p in goods)):
        return True
    return bool(_VERB_BEFORE.search(text[: mention.start]))


def event_of(text: str, mentions: list[Mention], *, last: bool) -> str:
    """By its proper name before a loose word for a time (过年送礼，年货节用); in a change the last."""
    events = [m for m in mentions if m.kind == "event"]
    named = [m for m in events if text[m.start : m.end] not in _LOOSE_EVENTS] or events
    return named[-1 if last else 0].value if named else ""


def sub_scenario_of(text: str, mentions: list[Mention], *, literal: bool) -> str:
    mentions = [m for m in mentions if not _DONE_AFTER.match(text, m.end)]
    scenes = [m for m in mentions if m.kind == "sub_scenario" and not _is_point_label(text, m)]
    if literal:
        # 怎样的开场能留住人: a verb in a question names no scene.
        scenes = [m for m in scenes if _is_literal(text[m.start : m.end], m.value)]
        scenes = [m for m in scenes if not _UNREAL_BEFORE.search(text[max(0, m.start - 5) : m.start])]
    if literal and len({m.value for m in scenes}) > 1:
        return ""
    labelled = [m for m in mentions if m.value == "卖点介绍" and text[m.end : m.end + 1] == ":"]
    if not scenes and not literal and labelled:
        return labelled[0].value
    if scenes:
        named = [m for m in scenes if not (m.value == "下播话术" and _AT_THE_TIME.match(text, m.end))]
        if literal:
            named = [m for m in named if m.value != "卖点介绍"] or named
        return _asked_for(text, named or scenes, literal=literal).value
    if literal:
        return ""
    weak = (m for m in mentions if m.kind == "weak_sub" and not _WITH_OBJECT.match(text, m.end))
    return next((m.value for m in weak), "")


def _asked_for(text: str, scenes: list[Mention], *, literal: bool) -> Mention:
    """Of several scenes the one whose clause asks for it (互动先放放，写开场), 卖点 last of all."""
    if literal or len(scenes) == 1:
        return scenes[0]
    return max(scenes, key=lambda m: (_weight(text, m), m.value != "卖点介绍"))


def _weight(text: str, mention: Mention) -> int:
    before = _CLAUSE_MARKS.split(text[: mention.start])[-1]
    clause = before + _CLAUSE_MARKS.split(text[mention.start :])[0]
    if _ON_AIR.search(clause):
        return -3
    return bool(_ASKS_FOR.search(clause)) - 2 * bool(_POINTS.search(clause))


def _is_literal(word: str, value: str) -> bool:
    """什么叫憋单 names no scene; 逼单一般多长 does."""
    return word != "留住人" and any(value[i : i + 2] in word for i in range(len(value) - 1))


def _is_point_label(text: str, mention: Mention) -> bool:
    """卖点 in 卖点是显白 labels the points, it does not name the scene; neither does 开播 in 直播马上开播."""
    word = text[mention.start : mention.end]
    rest = text[mention.end : mention.end + 12]
    before = text[max(0, mention.start - 3) : mention.start]
    if word in {"卖点", "产品卖点"}:
        if before.endswith("的") and rest[:1] not in {"是", "有", "为", ":"}:
            return False
        return bool(_LABELS_AFTER.match(rest)) or bool(_LABELLED_BEFORE.search(before))
    if word in {"收尾", "结束"}:
        # 收尾改一下 speaks of the end of a script, 收尾的话 and 留人、收尾各一段 of a scene.
        return not _SCENE_AFTER.match(rest) and not _LISTED_BEFORE.search(before)
    if word in {"开播", "下播"}:
        soon = _SOON_BEFORE.search(before) and not rest.startswith("的")
        lacked = before.endswith(("差", "缺", "少"))
        return bool((_SOON_AFTER.match(rest) and not lacked) or soon)
    if word in {"互动", "售后"}:
        return bool(_MORE_BEFORE.search(before)) or bool(_QUALITY_AFTER.match(rest))
    return word == "促销" and before.endswith(("在", "有"))


def styles_of(
    text: str, mentions: list[Mention], target: int, points: list[tuple[int, int]]
) -> tuple[str, ...]:
    styles = [m for m in mentions if m.kind == "style"]
    likened = [
        m
        for m in styles
        if text[m.start : m.end] in _CHATS and _LIKE_BEFORE.search(text[max(0, m.start - 9) : m.start])
    ]
    if len(likened) < len(styles):
        styles = [m for m in styles if m not in likened]
    found: list[str] = []
    for m in styles:
        if m.start < target or any(a <= m.start < b for a, b in points):
            continue
        before, after = text[max(0, m.start - 5) : m.start], text[m.end : m.end + 3]
        if _NEGATED_BEFORE.search(before) or (_TOO_BEFORE.search(before) and not after.startswith("的")):
            continue
        if m.value not in found:
            found.append(m.value)
    return tuple(found)
