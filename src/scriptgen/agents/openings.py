"""What a model answers the operator before it begins to write: 好的，以下是为您撰写的话术：. Titles too."""

from __future__ import annotations

import re
from itertools import product
from typing import Final

from .addressee import ABOUT_THE_TEXT, FRAME_LIMIT, TEXT, THE_TEXT, YOU, to_viewers, words

_TITLE_LIMIT: Final = 30

_YES: Final = (
    *words("当然可以 明白了 没问题 可以的 好的 好嘞 好滴 当然 收到 明白 了解 遵命"),
    *("Sure thing", "Of course", "Certainly", "Absolutely", "Sure", "Okay", "OK"),
)
_YES_FIRST: Final = re.compile(rf"\s*(?:(?:{'|'.join(_YES)})[，,]\s*)*")
_ONLY_YES: Final = re.compile(rf"(?:(?:{'|'.join(_YES)})[的了啦哦呀]?[，,！!。.～~\s]*)+\Z")
_GREETING: Final = re.compile(r"(?:主播|老师|亲)?[您你]好[呀啊]?[！!。，,～~\s]*\Z")

_FOR_YOU: Final = tuple(map("".join, product("为给帮替", "您你")))
_LEADS: Final = (
    *words("以下是 以下为 以下这 以下话 以下文 以下内容 下面是 下面这 下面为 这里是 这里有 这段 根据提供"),
    *words("这是一段 这是一篇 这是一版 这是一份 这是一则 这是一个适合 这是一个针对 这是专 这是根据 这是按"),
    *words("这是针对 这是您要 这是你要 应您 应你 我来 我将 我会 我已 我这就 我马上 这就 马上 立即"),
    *words("很高兴 很乐意 很荣幸 非常乐意 非常高兴 非常荣幸 乐意 已为 已根据 已按"),
    *words("修改后的 优化后的 改写后的 调整后的 Here here I've Below"),
    *map("".join, product(("根据", "按照", "按", "结合", "针对"), "您你")),
    *map("".join, product(("", "我", "这是"), _FOR_YOU)),
)
#: Every beginning of a text that may still grow into one of these.
_GROWING: Final = frozenset(lead[:length] for lead in (*_YES, *_LEADS) for length in range(len(lead) + 1))
_ORDERED: Final = re.compile(
    rf"(?:[为给帮替]|根据|按照?|结合|针对|应){YOU}"
    rf".*?(?:编写|创作|生成|草拟|拟写|拟定|写了?[一这个段篇好份]|服务|效劳|内容|如下|{TEXT})|{YOU}要的.*?(?:{TEXT})"
)
_ANSWER: Final = re.compile(r"[^。！？!?\n：:]*(?:[：:]\s*|[。！!\n]+)")
_TITLE: Final = re.compile(
    r"[【《“\"「]?[^，,。！？!?…\n]*(?:话术|文案|脚本|口播稿?|台词)(?:[（(][^）)\n]{0,12}[）)])?"
    r"[】》”\"」]?(?:如下)?[：:]?[ ]*\n"
)
_IN_A_TITLE: Final = re.compile(r"[^，,。！？!?…\n]*\Z")


def opening_length(body: str) -> int:
    """How many characters at the beginning of a text, up to a colon or sentence end, answer the operator."""
    title = _TITLE.match(body)
    if title is not None and title.end() <= _TITLE_LIMIT and not to_viewers(title[0]):
        return title.end()
    start = _after_yes(body)
    answer = _ANSWER.match(body, start) if body.startswith(_LEADS, start) else None
    if answer is None or answer.end() > FRAME_LIMIT:
        return 0
    said = answer[0]
    if to_viewers(said) and not THE_TEXT.search(said):
        return 0
    return answer.end() if ABOUT_THE_TEXT.search(said) or _ORDERED.search(said) else 0


def may_be_opening(body: str) -> bool:
    """Whether `body` may be the beginning of such an answer whose end has not come yet."""
    if len(body) > FRAME_LIMIT:
        return False
    if len(body) < _TITLE_LIMIT and _IN_A_TITLE.match(body) and not to_viewers(body):
        return True
    rest = body[_after_yes(body) :]
    if rest in _GROWING or _ONLY_YES.match(rest):
        return True
    if not rest.startswith(_LEADS):
        return False
    answer = _ANSWER.match(rest)
    return answer is None or answer.end() == len(rest)


def is_acknowledgement(unit: str) -> bool:
    """A whole sentence that only says yes to an order."""
    return _ONLY_YES.match(unit.strip()) is not None


def is_greeting(unit: str) -> bool:
    """A hello to one person: whether it is the operator shows what follows."""
    return _GREETING.match(unit.strip()) is not None


def _after_yes(body: str) -> int:
    found = _YES_FIRST.match(body)
    return found.end() if found else 0
