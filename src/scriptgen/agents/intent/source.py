"""Tells a script pasted into the query from the instruction about it.

Slots for what is wanted are read from the instruction, the product also from the script; nothing here decides
the intent.
"""

from __future__ import annotations

import re

import msgspec

_ADDRESS = (
    r"(?:姐妹|家人|宝宝|宝子|宝贝|亲|老铁|兄弟|朋友|宝妈|妈妈|铲屎官|小仙女|粉丝|各位|大家|"
    r"哥哥姐姐|同学|集美)"
    r"(?:们|晚上好|好|家人|宝宝|姐妹|注意|看过来)"
)
_REWRITE = re.compile(
    r"润色|优化|打磨|polish|提升|完善|改|换|翻|译|转成|转为|缩|精简|压缩|删|去掉|砍|加|扩|短|长|"
    r"重写|统一|合并|替|顺|捋|补|纠|通顺|修|整成|做成|写成|版|"
    r"更|再|调|弄|口吻|风格|原文|这段|这条|下面|以下|这个|这篇|这句|[话语腔]来?(?:说|讲|念|来|过)|translate|optimize|别|不要|变成|[写放塞说带加][进上入]|→"
)
_TAIL = re.compile(
    r"(?:[\n。！!？?~；;”\"'’】，, ])\s*((?:上面|以上|前面)?(?:把|将|帮我把|给我把|请把|"
    r"帮忙把)?(?:这段|这条|这篇|这个|上面|以上|这话术|这版|这份|这稿子?)"
    r"[^\n]{2,60})$"
)
_COLON = re.compile(r"[:：]")
_GREETING_START = re.compile(r"(?:^|[\s，,。！!：:；;])(" + _ADDRESS + r".{10,})$", re.DOTALL)
_QUOTED = re.compile(r'"([^"]{14,})"')
_SPEAKS_OF_IT = re.compile(r"[把将]$|别用$|不要用$")
_LIST_OF_WORDS = re.compile(r"[^，,。！!]{1,10}(?:、[^，,。！!]{1,10})+$")
_SHOWS = re.compile(r"这[款个支条双件盒瓶]|本[品款]|今天|今晚")
_SENTENCE_MARK = re.compile(r"[，,。！!？? ~]")
_ADDRESSES = re.compile(_ADDRESS)
_MIN_SCRIPT = 10
#: Characters of an over-long instruction that are read, from its start and from its end.
_READ_FIRST, _READ_LAST = 500, 300


class Parts(msgspec.Struct, frozen=True):
    """Half-open ranges of the query: the instruction (with the script cut away) and the pasted script."""

    instruction: str  # same length as the query: what belongs to the script is blanked by newlines
    source_start: int = 0
    source_end: int = 0

    @property
    def has_source(self) -> bool:
        return self.source_end > self.source_start


def split_source(text: str) -> Parts:
    """Splits normalised `text`; without a recognisable script everything is instruction."""
    span = _span(text)
    if span is None:
        return Parts(text)
    start, end = span
    while start < end and text[start] in ' \n\t:："':
        start += 1
    while end > start and text[end - 1] in ' \n\t"':
        end -= 1
    instruction = text[:start] + "\n" * (end - start) + text[end:]
    return Parts(instruction, start, end)


def _span(text: str) -> tuple[int, int] | None:
    """The first way of pasting that fits: in quotes, after a colon, before 这段…, on its own lines, or from
    the words that greet an audience.
    """
    if len(text) < _MIN_SCRIPT + 2:
        return None
    ways = (_quoted, _after_colon, _before_tail, _below, _greeted)
    return next((span for way in ways if (span := way(text))), None)


def _quoted(text: str) -> tuple[int, int] | None:
    for quoted in _QUOTED.finditer(text):
        if _REWRITE.search(text[: quoted.start()] + text[quoted.end() :]):
            return quoted.span(1)
    return None


def _after_colon(text: str) -> tuple[int, int] | None:
    for colon in _COLON.finditer(text, 0, 200):
        before, after = text[: colon.start()], text[colon.end() :]
        if len(after.strip()) >= _MIN_SCRIPT and _REWRITE.search(before) and _reads_like_script(after):
            return colon.end(), len(text)
    return None


def _before_tail(text: str) -> tuple[int, int] | None:
    tail = _TAIL.search(text, max(0, len(text) - 120))
    if tail is None:
        return None
    cut = tail.start(1)
    fits = cut >= _MIN_SCRIPT and _REWRITE.search(tail[1]) and _reads_like_script(text[:cut])
    return (0, cut) if fits else None


def _below(text: str) -> tuple[int, int] | None:
    first, newline, rest = text.partition("\n")
    fits = newline and len(rest.strip()) >= _MIN_SCRIPT and _REWRITE.search(first)
    return (len(first) + 1, len(text)) if fits else None


def _greeted(text: str) -> tuple[int, int] | None:
    greeting = _GREETING_START.search(text)
    if not greeting or not greeting.start(1):
        return None
    before = text[: greeting.start(1)].rstrip()
    # 把家人们换成姐妹们 speaks about the greeting.
    fits = _REWRITE.search(before) and not _SPEAKS_OF_IT.search(before)
    return greeting.span(1) if fits else None


def _reads_like_script(text: str) -> bool:
    """A pasted script is a sentence or more; a list of selling points or a field is not."""
    stripped = text.strip()
    if _LIST_OF_WORDS.match(stripped):
        return False
    return (
        len(stripped) >= 20
        or bool(_SHOWS.match(stripped))
        or bool(_SENTENCE_MARK.search(stripped))
        or bool(_ADDRESSES.match(stripped))
    )


def reads_aloud(text: str) -> bool:
    """Whether `text` opens like a script: it speaks to the audience, not to a colleague."""
    return bool(_ADDRESSES.match(text.strip()))


def ends_of(text: str) -> str:
    """The head and tail of a very long text with the middle blanked, offsets kept: what is asked for stands
    at an end, and work per query stays bounded.
    """
    if len(text) <= _READ_FIRST + _READ_LAST:
        return text
    return text[:_READ_FIRST] + "\n" * (len(text) - _READ_FIRST - _READ_LAST) + text[-_READ_LAST:]
