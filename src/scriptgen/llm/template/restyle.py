"""Says a finished script in another way: a style, a dialect, another form, another host, by lexica.

Facts (product, points, numbers) are shielded from word replacement. Other languages need a model and are
refused with a warning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, Final

from msgspec.structs import replace

from scriptgen.domain.vocabulary import STYLES
from scriptgen.domain.writing import WritingTask

from .composer import line_for, opening_line
from .material import FORMAL_STYLES, material_of
from .outcome import EditOutcome
from .phrases import load_data, phrase_book
from .recast import framed, recast, unframed
from .sentences import finished, is_action, is_greeting, join, shortened, split

_LANGUAGES: Final = re.compile(
    r"英文|英语|英译|日文|日语|韩文|韩语|法语|俄语|泰语|西班牙语|德语|越南语|[Ee]nglish|外语|繁体|上海话|闽南"
)
_DIALECT_WORDS: Final = {
    "四川": "四川话",
    "川普": "四川话",
    "成都": "四川话",
    "东北": "东北话",
    "粤语": "粤语",
    "广东": "粤语",
    "白话版": "粤语",
    "小红书": "小红书",
}
_STYLE_WORDS: Final = (
    ("感染力|激情|燃|煽动|有劲|带劲|热情|没人下单|有气氛|打鸡血|动情|moving", "激情"),
    ("口语|拗口|自然|太硬|生硬|接地气|顺口|像说话|书面", "口语"),
    ("专业|说服力|权威|严谨|干货", "专业"),
    ("幽默|搞笑|好玩|有趣|逗", "幽默"),
    ("亲和|亲切|唠家常|贴心|走心|polish|润色", "亲和"),
    ("高端|高级|奢|质感", "高端"),
    ("温柔|治愈|轻柔|舒缓", "温柔"),
    ("活泼|俏皮|可爱|轻快|太平|没亮点|吸引", "活泼"),
)
_HOST_ASKED = re.compile(r"她|他|口吻|语气|口气|说话|腔|达人|主播")
_SHORTER = re.compile(r"精炼|精简|简洁|啰嗦|短一?点")
_ADDRESSES = re.compile(
    r"家人们|姐妹们|宝宝们|宝子们|宝妈们|亲们|老铁们|朋友们|书友们|吃货们|女生们|姐姐们|兄弟们|宝贝们|各位朋友"
)
#: What is said to listeners: a note is read.
_SPOKEN = re.compile(
    r"认真听|听我|听好|听听|要讲|我拿近|给你们看|往下听|接着听|一起检查|带来了|安排上|我再来一遍"
)
_ACTION = re.compile(r"链接|下单|小黄车|购物车|去拍|左下角|付款")
_UNSOFTENED = re.compile(r"(?<![啦吗吧呢了呀哈嘛啊呗咩咗喔㗎哦])([。！])$")
_LIVE = re.compile(r"直播间|在家里聊天|想问的|公屏|扣[1一二]|小黄车|下播|开播|主播|上链接|弹幕")


def optimize(task: WritingTask) -> EditOutcome:
    """The script made better in the asked direction: hook, connectives, word choice, ending; facts kept."""
    style = _style_asked(task.instruction, task) or "激情"
    text = _in_style(task.source_text.strip(), style, task)
    if _SHORTER.search(task.instruction):
        text = join(shortened(split(text), round(len(text) * 0.75), task))
    return _outcome(task, text)


def translate(task: WritingTask) -> EditOutcome:
    """The script in another style, dialect, form or host's way of speaking."""
    source = task.source_text.strip()
    asked = (
        task.instruction.split("：", 1)[0] if task.source_text[:12] in task.instruction else task.instruction
    )
    if language := _LANGUAGES.search(asked):
        # In the words of the skill's own warning, so that the operator reads it once.
        return EditOutcome(source, False, f"没有接入模型，翻不了{language[0]}，这一版保留原文。")
    return _restyled(task, source, asked) or _as_another(task, source, asked)


def _restyled(task: WritingTask, source: str, asked: str) -> EditOutcome | None:
    """In the dialect, form or style that is asked for; None when none of them is known."""
    if dialect := next((d for word, d in _DIALECT_WORDS.items() if word in asked), ""):
        text = _in_dialect(source, dialect, task)
        note = "" if dialect == "小红书" else f"{dialect}按词句规则转换，上播前请熟悉的人过一遍。"
        return _outcome(task, text, note)
    if form := _form_asked(asked):
        return _outcome(task, _in_form(source, form, task))
    if style := _style_asked(asked, task):
        return _outcome(task, _in_style(source, style, task))
    return None


def _as_another(task: WritingTask, source: str, asked: str) -> EditOutcome:
    """In another host's way of speaking; what is neither that nor a known style is refused."""
    host = task.influencer_name
    if not _HOST_ASKED.search(asked) and (not host or host not in asked):
        return EditOutcome(source, False, "模板写不了这种风格或体裁，话术保持原样；接入模型以后可以。")
    text = _in_manner(source, task)
    if text == source:
        whose = f"{host}的" if host else "这位主播的"
        return EditOutcome(source, False, f"还没有{whose}风格资料，话术保持原样；给几段样例话术就能换。")
    return EditOutcome(text, changed=True)


def _outcome(task: WritingTask, text: str, warning: str = "") -> EditOutcome:
    changed = text.strip() != task.source_text.strip()
    return EditOutcome(text, changed, warning if changed else "没有找到可以改写的地方，话术保持原样。")


def _style_asked(instruction: str, task: WritingTask) -> str:
    for style in STYLES:
        if style in instruction:
            return style
    for words, style in _STYLE_WORDS:
        if re.search(words, instruction):
            return style
    return task.styles[0] if task.styles and task.styles[0] in STYLES else ""


def _form_asked(instruction: str) -> str:
    wanted = instruction.rsplit("成", 1)[-1]
    for form, words in (("短视频", "短视频|口播"), ("种草文案", "种草|图文"), ("直播带货", "直播")):
        if re.search(words, wanted):
            return form
    return ""


def _in_style(source: str, style: str, task: WritingTask) -> str:
    lexicon = _data()["styles"][style]
    rng = _rng(task, style)
    if style in FORMAL_STYLES:
        source = _chatter().sub("", source).replace("～", "。")
    said = recast(source, style, task, rng, lambda sentence: _reworded(sentence, lexicon["words"], task))
    if said and said != source:
        return said
    paragraphs = split(_reworded(source, lexicon["words"], task))
    address = _address(source, style, task)
    links = list(lexicon["links"])
    rng.shuffle(links)
    lines = [(p, s) for p, paragraph in enumerate(paragraphs) for s in range(len(paragraph))]
    for turn, (p, s) in enumerate(lines[1:-1:2]):
        leads = re.match(r"(?:来|所以|但|不过|其实|而且|另外)", paragraphs[p][s])
        if turn < len(links) and not leads and "？" not in paragraphs[p][s]:
            paragraphs[p][s] = links[turn] + paragraphs[p][s]
    if lexicon["end"] == "！":
        for p, s in lines[::2]:
            paragraphs[p][s] = re.sub(r"。$", "！", paragraphs[p][s])
    else:
        for p, s in lines:
            paragraphs[p][s] = re.sub(r"[！!]+$", "。", paragraphs[p][s])
    _hook(paragraphs[0], rng.choice(lexicon["hooks"]).format(address=address), address)
    tail = rng.choice(lexicon["tails"])
    if task.sub_scenario == "下播话术" or is_action(paragraphs[-1][-1]) == is_action(tail):
        if len(paragraphs[-1]) > 1:
            paragraphs[-1].insert(len(paragraphs[-1]) - 1, tail)
    else:
        paragraphs[-1].append(tail)
    return join(paragraphs)


def _hook(paragraph: list[str], hook: str, address: str) -> None:
    """Before the first sentence, or right after it when that one greets and the hook calls nobody."""
    first = paragraph[0]
    if address in hook:
        if first.startswith(address):
            paragraph[0] = first[len(address) :].lstrip("，,！! ") or first
        paragraph.insert(0, hook)
    else:
        paragraph.insert(1 if is_greeting(first) else 0, hook)


def _in_dialect(source: str, dialect: str, task: WritingTask) -> str:
    lexicon = _data()["dialects"][dialect]
    rng = _rng(task, dialect)
    if dialect == "小红书":
        source = unframed(source)
    paragraphs = split(_reworded(source, lexicon["words"], task))
    if dialect == "粤语":
        paragraphs = [[re.sub(r"咗([。！？])$", r"啦\1", s) for s in p] for p in paragraphs]
    openers = list(lexicon["openers"])
    rng.shuffle(openers)
    tails: Sequence[str] = lexicon["tails"]
    count = 0
    for paragraph in paragraphs:
        for index in range(len(paragraph)):
            count += 1
            if count in {2, 5, 9} and openers:
                paragraph[index] = openers.pop() + paragraph[index]
            if count % 3 == 1:
                paragraph[index] = _UNSOFTENED.sub(rng.choice(tails) + r"\1", paragraph[index]).replace(
                    "～。", "～"
                )
    text = join(paragraphs)
    if dialect != "小红书":
        return text
    wishes = replace(task, scenario="种草文案", source_text="", avoid=(source,), seed=f"{task.seed}/note")
    note = split(_without(_SPOKEN, _without(_LIVE, text))) or [[]]
    return framed(line_for("note_open", wishes), note, [line_for("cta_note", wishes)], wishes)


def _in_form(source: str, form: str, task: WritingTask) -> str:
    """Another form: its own opening and call to action around the sentences that suit it."""
    profile = replace(task.profile, address=(_address(source, "", task),))
    wishes = replace(
        task, scenario=form, source_text="", avoid=(source,), seed=f"{task.seed}/{form}", profile=profile
    )
    source = unframed(source)
    body = split(_without(_LIVE, source) if form != "直播带货" else source)
    if form == "种草文案":
        body = split(_without(_SPOKEN, join(body)))
    body = split(_without(_ACTION, join(body)))
    body = [p for p in body if p] or [[]]
    greets = bool(body[0]) and is_greeting(body[0][0])
    if form == "直播带货":
        opening = "" if greets else line_for("stay_open", wishes)
        ending = [line_for("interact", wishes), line_for("cta", wishes)]
    else:
        opening = opening_line(wishes)
        ending = [line_for("cta_video" if form == "短视频" else "cta_note", wishes)]
    if form != "直播带货" and greets:
        body[0][0] = re.sub(r"^[^，。！？]*[，。！？]", "", body[0][0]) or body[0][0]
    return framed(opening, body, ending, wishes)


def _in_manner(source: str, task: WritingTask) -> str:
    """Another host's way of speaking: address, catchphrases, name."""
    text = source
    material = material_of(replace(task, styles=()), phrase_book())
    text = _ADDRESSES.sub(material.address, text)
    if name := task.influencer_name:
        text = re.sub(
            r"(我是)(?!" + re.escape(name) + r")[A-Za-z一-龥]{2,4}(?=[，。！])", rf"\g<1>{name}", text
        )
    paragraphs = split(text)
    phrases = material.catchphrases[:2]
    if phrases and phrases[0] not in text:
        spot = 1 if len(paragraphs[0]) > 1 else 0
        paragraphs[0][spot] = f"{phrases[0]}，{paragraphs[0][spot]}"
    if len(phrases) > 1 and phrases[1] not in text:
        paragraphs[-1].append(f"{phrases[1]}！")
    text = join(paragraphs)
    if text == source and material.styles:
        return _in_style(source, material.styles[0], task)
    return text


def _without(unwanted: re.Pattern[str], text: str) -> str:
    """Without the clauses that match, and without sentences of which too little is left; never empty."""
    paragraphs = []
    for paragraph in split(text):
        kept = []
        for sentence in paragraph:
            clauses = [c for c in re.split(r"(?<=，)", sentence) if not unwanted.search(c)]
            rest = finished("".join(clauses))
            if rest == sentence or (
                len(rest) > 5 and not rest.endswith("的。")
            ):  # 看了好几回的 says nothing alone
                kept.append(rest)
        paragraphs.append(kept)
    return join(paragraphs) or text


def _reworded(text: str, words: Mapping[str, str], task: WritingTask) -> str:
    """Words replaced, longest first, each place once; names, points and numbers are shielded."""
    product = task.product
    names = (product.name, product.brand, task.influencer_name, product.price, *product.selling_points)
    shielded = [re.escape(n) for n in sorted({n for n in names if n}, key=len, reverse=True)]
    keys = [re.escape(k) for k in sorted(words, key=len, reverse=True)]
    pattern = re.compile("|".join([*(f"(?P<keep{i}>{s})" for i, s in enumerate(shielded)), *keys]))
    return pattern.sub(lambda m: words.get(m[0], m[0]) if m.lastgroup is None else m[0], text)


def _address(source: str, style: str, task: WritingTask) -> str:
    if style == "高端":
        return "各位朋友"
    found = _ADDRESSES.search(source)
    return found[0] if found else material_of(task, phrase_book()).address


def _rng(task: WritingTask, salt: str) -> Random:
    digest = hashlib.sha256(f"{task.seed}\x1f{salt}\x1f{task.instruction}".encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))  # noqa: S311 - wording, not secrets


@cache
def _chatter() -> re.Pattern[str]:
    """What a note or a lively host adds to a sentence."""
    openers = "|".join(_data()["dialects"]["小红书"]["openers"])
    return re.compile(rf"{openers}|(?<=[一-龥])[呀哦哈嘛啦](?=[。！～])")


@cache
def _data() -> dict[str, Any]:
    decoded: dict[str, Any] = load_data("restyle.json")
    return decoded
