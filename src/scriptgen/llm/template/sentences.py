"""A script as paragraphs of sentences: splitting without loss, joining, and which sentences matter.

Editing rules are not here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from scriptgen.domain.writing import WritingTask

_SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…]+[”’」』）)]*|[^。！？!?…\n]+")
_END = re.compile(r"[。！？!?…～~][”’」』）)]*$")
_ACTION = re.compile(r"链接|下单|小黄车|购物车|拍下|去拍|点击|左下角|入手|付款|带走|冲")
_PRICE = re.compile(r"多少钱|\d+(?:\.\d+)?\s*(?:元|块)|价格|到手|只要\d|[一二三四五六七八九十百]+块")
_GREETING = re.compile(r"^[^，。！？]{0,8}(?:好|哈喽|欢迎|来了|嗨)|我是")


def split(text: str) -> list[list[str]]:
    """Paragraphs of sentences; `join` gives the text back (blank lines are dropped)."""
    paragraphs = [_SENTENCE.findall(line.strip()) for line in text.splitlines()]
    return [p for p in paragraphs if p]


def join(paragraphs: Sequence[Sequence[str]]) -> str:
    return "\n".join("".join(p) for p in paragraphs if p)


def flat(text: str) -> list[str]:
    return [sentence for paragraph in split(text) for sentence in paragraph]


def finished(sentence: str) -> str:
    """The sentence with an end mark."""
    stripped = sentence.strip().rstrip("，,、；;：:")
    return stripped if not stripped or _END.search(stripped) else f"{stripped}。"


def is_action(sentence: str) -> bool:
    return bool(_ACTION.search(sentence))


def is_price(sentence: str) -> bool:
    return bool(_PRICE.search(sentence))


def is_greeting(sentence: str) -> bool:
    return bool(_GREETING.search(sentence))


def weight(sentence: str, index: int, count: int, task: WritingTask) -> float:
    """How much a sentence matters: opening and the last call to action most, then price, product, points."""
    score = 0.0
    if index == 0:
        score += 10
    if is_action(sentence):
        score += 6 + 3 * index / count
    if index == count - 1:
        score += 5
    if is_price(sentence):
        score += 4
    if task.product.name and task.product.name in sentence:
        score += 3
    score += 2 * sum(point in sentence for point in task.product.selling_points)
    return score - index / (10 * count) - len(sentence) / 400


def shortened(paragraphs: list[list[str]], limit: int, task: WritingTask) -> list[list[str]]:
    """At most `limit` characters where whole sentences allow it: the least important go first, then inner
    clauses of what is left. Opening and call to action stay.
    """
    kept = [list(p) for p in paragraphs]
    while _size(kept) > limit and sum(map(len, kept)) > 2:
        order = [(p, s) for p, paragraph in enumerate(kept) for s in range(len(paragraph))]
        ranked = sorted((weight(kept[p][s], i, len(order), task), p, s) for i, (p, s) in enumerate(order))
        _, p, s = ranked[0]
        del kept[p][s]
        kept = [paragraph for paragraph in kept if paragraph]
    while _size(kept) > limit:
        p, s = max(
            ((p, s) for p, paragraph in enumerate(kept) for s in range(len(paragraph))),
            key=lambda at: len(kept[at[0]][at[1]]),
        )
        trimmed = _without_a_clause(kept[p][s])
        if trimmed == kept[p][s]:
            break
        kept[p][s] = trimmed
    return kept


def _without_a_clause(sentence: str) -> str:
    """The sentence without its last inner clause (the first and, if there are three, the end are kept)."""
    clauses = re.split(r"(?<=，)", sentence)
    if len(clauses) < 2:
        return sentence
    if len(clauses) == 2:
        return finished(clauses[0])
    return "".join((*clauses[:-2], clauses[-1]))


def _size(paragraphs: Sequence[Sequence[str]]) -> int:
    return sum(len(s) for p in paragraphs for s in p)
