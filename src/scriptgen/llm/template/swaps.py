"""Puts one thing in the place of another: terms, names, prices, the opening, the ending."""

from __future__ import annotations

import re

from msgspec.structs import replace

from scriptgen.domain.categories import known_categories, subtypes_of
from scriptgen.domain.writing import WritingTask

from .additions import form_cta
from .composer import line_for, opening_line
from .material import spoken_price
from .sentences import finished, join, split
from .wording import (
    ADDRESSES,
    ASKED_LINES,
    AVOID_WORD,
    ENDING,
    OPENING,
    PRICE_TEXT,
    QUOTED_SWAP,
    QUOTES,
    SELF_NAME,
    SWAP,
    TO,
)


def swap_terms(text: str, task: WritingTask) -> str:
    swaps = QUOTED_SWAP.findall(task.instruction) or SWAP.findall(task.instruction)
    for raw_old, raw_new in swaps:
        old, new = raw_old.strip(f" {QUOTES}"), re.sub(r"[吧呢呗啊哈]$", "", raw_new.strip(f" {QUOTES}"))
        old = re.sub(r"^.*(?:里的|里面的|中的|把|将|从|由)", "", old)
        if not new:
            continue
        if old in {"价格", "价钱", "价"}:
            text = PRICE_TEXT.sub(spoken_price(new), text)
        elif old in text:
            text = text.replace(old, new)
        elif re.search(r"产品|商品|品名|品$", old):
            text = _swap_first_found(text, _product_names(text, task, new), new)
        elif re.search(r"主播|名字|达人|艺名", old):
            text = _swap_first_found(text, _host_names(text, task), new)
        elif "称呼" in old or "叫法" in old or (ADDRESSES.fullmatch(new) and ADDRESSES.search(text)):
            text = ADDRESSES.sub(new, text)
    return text


def _swap_first_found(text: str, candidates: list[str], new: str) -> str:
    for old in candidates:
        if old and old in text and old != new:
            return text.replace(old, new)
    return text


def _product_names(text: str, task: WritingTask, new: str) -> list[str]:
    """What the old product may be called in the text: given names first, then known product words."""
    given = sorted(
        {t for t in (*task.forbidden_terms, task.product.name) if t and t != new}, key=len, reverse=True
    )
    cues = {
        cue
        for c in known_categories()
        for s in subtypes_of(c)
        for cue in s.cues
        if len(cue) > 1 and cue in text
    }
    measured = re.findall(
        r"这(?:款|支|件|双|条|瓶|盒|副|本|台|套|包|个)([一-龥A-Za-z]{2,6}?)(?=[，。！、的]|就|是|$)", text
    )
    return [*given, *measured, *sorted(cues, key=len, reverse=True)]


def _host_names(text: str, task: WritingTask) -> list[str]:
    found = SELF_NAME.findall(text)
    return [task.influencer_name, task.profile.influencer_name, *found]


def change_opening(text: str, task: WritingTask) -> str:
    paragraphs = split(text)
    old = paragraphs[0][0]
    banned = tuple(AVOID_WORD.findall(task.instruction))
    given = _given_text(task.instruction, OPENING)
    if given:
        new = finished(given)
    else:
        wishes = replace(
            task,
            avoid=(*task.avoid, text),
            source_text="",
            forbidden_terms=(*task.forbidden_terms, *banned),
            profile=replace(task.profile, address=_other_address(task, old, banned)),
            seed=f"{task.seed}/opening",
        )
        if re.search(r"问候|打招呼|招呼", task.instruction):
            new = line_for("greet", wishes)
        elif re.search(r"提问|问句|疑问|问题|反问", task.instruction):
            new = next(
                (
                    s
                    for s in (line_for("pain", replace(wishes, seed=f"{wishes.seed}{i}")) for i in range(8))
                    if "？" in s
                ),
                "",
            )
        else:
            new = opening_line(wishes)
        product = task.product.name
        if product and product in old and product not in text.replace(old, "", 1) and product not in new:
            new += line_for("present", wishes)
    if not new:
        return text
    paragraphs[0][0] = new
    return join(paragraphs)


def _other_address(task: WritingTask, old: str, banned: tuple[str, ...]) -> tuple[str, ...]:
    """Addresses without the banned ones; the one in use stays when it is not banned."""
    used = ADDRESSES.findall(old)
    wanted = [a for a in (*used, *task.profile.address, "朋友们", "宝子们") if a not in banned]
    return tuple(dict.fromkeys(wanted))


def change_ending(text: str, task: WritingTask) -> str:
    paragraphs = split(text)
    given = _given_text(task.instruction, ENDING)
    wishes = replace(task, avoid=(*task.avoid, text), source_text="", seed=f"{task.seed}/ending")
    element = next((e for word, e in ASKED_LINES if word in task.instruction), "")
    if not element:
        element = "farewell" if task.sub_scenario == "下播话术" else form_cta(task)
    new = finished(given) if given else line_for(element, wishes)
    if not new:
        return text
    paragraphs[-1][-1] = new
    return join(paragraphs)


def _given_text(instruction: str, place: re.Pattern[str]) -> str:
    """A literal text the operator wrote for that place, "" when only described (问候语, 提问)."""
    match = re.search(
        rf"(?:{place.pattern})[^，。：:]{{0,4}}?{TO}[：:]?\s*[{QUOTES}]?([^{QUOTES}]+)", instruction
    )
    if match is None:
        return ""
    words = match[1].strip()
    described = re.search(
        r"问候|招呼|提问|问句|疑问|反问|悬念|痛点|一句|别的|其他|风格|感谢|关注|引导|互动|号召|祝福", words
    )
    return "" if described and len(words) < 12 else words


def avoid_words(text: str, task: WritingTask) -> str:
    wanted = re.findall(rf"(?:{TO}|改用|而用)[{QUOTES}]?([一-龥]{{1,4}}们)", task.instruction)
    for word in AVOID_WORD.findall(task.instruction):
        if ADDRESSES.fullmatch(word):
            other = next(a for a in (*wanted, *task.profile.address, "朋友们", "宝子们") if a != word)
            text = text.replace(word, other)
        else:
            text = text.replace(word, "")
    return re.sub(r"([，。！？])[，、]+", r"\1", text)
