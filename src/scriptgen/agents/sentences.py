"""Where sentences end and whether a text ends in the middle of one. Knows punctuation, nothing of scripts.

A review asks the same of one text several times over, and of a session's earlier versions at every turn: what
costs a pass over the text is remembered.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

_SENTENCE: Final = re.compile(r"[^。！？!?…\n]*[。！？!?…\n]+[”’」』）)]*|[^。！？!?…\n]+$")
_CLAUSE_BREAK: Final = re.compile(r"[。！？!?…\n，,、；;：:～~\s“”‘’「」『』（）()《》【】]+")
_NOT_WORD: Final = re.compile(r"[\W_]+")
_ENDING: Final = "。！？!?…～~”’」』）)】》\"'."
_OPEN_ENDING: Final = re.compile(
    r"(?:[，、；：,;:—\-（(“「『《【]|而且|因为|所以|但是|可是|如果|还有|以及|或者|并且|就是|特别是|比如|包括|和|与|的话|把|被|让|给)$"
)


def split_sentences(text: str) -> list[str]:
    """Sentences with their closing punctuation, stripped; empty ones are left out."""
    return list(_sentences(text))


@lru_cache(maxsize=64)
def _sentences(text: str) -> tuple[str, ...]:
    return tuple(s for s in (found.strip() for found in _SENTENCE.findall(text)) if s)


def split_clauses(text: str) -> list[str]:
    """The stretches between any two punctuation marks."""
    return [clause for clause in _CLAUSE_BREAK.split(text) if clause]


@lru_cache(maxsize=1024)
def bare(text: str) -> str:
    """The letters and digits alone, for comparing texts that may differ in punctuation and spaces."""
    return _NOT_WORD.sub("", text).casefold()


def visible_length(text: str) -> int:
    """Characters a listener would hear or a reader see: everything but white space and punctuation."""
    return len(bare(text))


def unfinished_tail(text: str) -> bool:
    """Whether the text stops before its last sentence was closed (the judgement for a cut-off text)."""
    tail = text.rstrip()
    return not tail or not (tail[-1] in _ENDING or unicodedata.category(tail[-1]) == "So")


def dangling(text: str) -> bool:
    """Whether the text cannot be whole even if its last full stop was left out on purpose."""
    return _OPEN_ENDING.search(text.rstrip()) is not None


def trim_unfinished(text: str) -> str:
    """The text up to its last closed sentence; "" when there is none."""
    kept = text.rstrip()
    if not unfinished_tail(kept):
        return kept
    sentences = [found for found in _SENTENCE.findall(kept) if found.strip()]
    if sentences:
        kept = kept[: len(kept) - len(sentences[-1])].rstrip()
    return "" if unfinished_tail(kept) else kept


def similarity(one: str, other: str) -> float:
    """Dice coefficient over the sets of character bigrams, 0..1; punctuation and spaces do not count."""
    first, second = _bigrams(one), _bigrams(other)
    total = len(first) + len(second)
    return 2 * len(first & second) / total if total else 1.0


@lru_cache(maxsize=128)
def _bigrams(text: str) -> frozenset[str]:
    letters = bare(text)
    return frozenset({letters[i : i + 2] for i in range(len(letters) - 1)})
