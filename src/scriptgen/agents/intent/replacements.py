"""Finds the quoted words that a change puts in the place of others (“亲们”统一改成“家人们”) or wants put in
another way.

What is quoted is spoken text. It names no product, scene or person of the request, unless one product stands
for another.
"""

from __future__ import annotations

import re

from .heads import ProductMention
from .lexicon import Lexicon

_WORD = r"这个词|这个字|一词|[这那]几个字|[这那]句|[这那]个|[两三四]个字|字样"
_EACH = rf"(?:{_WORD}|都|全部?|统一|一律|再|也|直接|给我)*"
_INTO = r"(?:换成|换为|换作|改成|改为|改作|改叫|替换成|替换为|替换|变成|写成|换|改|-+>|→|=>)"
_CALLED = r"(?:词儿?|字眼|字|说法|叫法|讲法|喊法|写法|称呼|表达|用语|替换|替代|代替)"
_NOT_OF_A_SCRIPT = r"(?!话术|文案|脚本|一?[版段条篇])[^,，。\"']"
#: “绝绝子”太土了，换个词: one quoted word that is to give way, to whatever else.
_REWORDED = re.compile(
    rf"([\"'])(?P<old>[^\"']{{1,12}})\1(?:{_NOT_OF_A_SCRIPT}){{0,8}}[,，]?(?:{_NOT_OF_A_SCRIPT}){{0,4}}?"
    rf"(?:[换改]掉|换一[下换]|替换|[换改]一?[个种](?:$|[,，。!！吧呗])|"
    rf"(?:换|改|找|用)成?(?:一?[个种些])?(?:[一-龥]{{1,3}}的|其[他它]|另外)?{_CALLED}|有?没?有别的?{_CALLED})"
)
_PAIR = re.compile(rf"([\"'])(?P<old>[^\"']{{1,12}})\1,?{_EACH},?{_INTO}([\"'])(?P<new>[^\"']{{1,12}})\3")


def quoted_pairs(text: str) -> list[re.Match[str]]:
    """Matches with the groups `old` and `new` in normalised `text`."""
    return list(_PAIR.finditer(text)) if '"' in text or "'" in text else []


def reworded(text: str) -> list[re.Match[str]]:
    """Matches with the group `old`: quoted words that are to be put in another way."""
    return list(_REWORDED.finditer(text)) if '"' in text or "'" in text else []


def without_quoted(text: str, found: list[re.Match[str]]) -> str:
    """The text with the quoted words of `found` blanked, offsets kept."""
    if not found:
        return text
    characters = list(text)
    for match in found:
        for group in match.re.groupindex:
            start, end = match.span(group)
            characters[start:end] = "-" * (end - start)
    return "".join(characters)


def renamed_product(pairs: list[re.Match[str]], lexicon: Lexicon) -> ProductMention | None:
    """The new product where both words of a pair are listed ones (“茶杯”改成“水杯”)."""
    for pair in pairs:
        category = lexicon.product_category.get(pair["new"])
        if category and lexicon.product_category.get(pair["old"]):
            return ProductMention(*pair.span("new"), category)
    return None
