"""Tells which phrase of the banks a sentence was made from, and with which words.

What a voice changes at the edges (您 for 你, a particle, ！ for 。) does not hide a phrase. A text of other
origin is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec

from .phrases import Phrase, PhraseBook, phrase_book

#: The element of sentences that speak of one selling point; their phrases stand in banks of their own.
POINT: Final = "point"
FLAVOUR: Final = "flavour"
_SLOT: Final = re.compile(r"\{(\w+)\}")
_PARTICLE: Final = re.compile(r"\[(.)\]")
_END: Final = re.compile(r"[。！？!?]")
_TAIL: Final = re.compile(r"[。！!]+$")
_LONGEST_WORD: Final = 40
_INDEXED: Final = 2
#: Letters of its own that a phrase must have to be told by them.
_TELLING: Final = 2
_LETTER: Final = re.compile(r"[\u4e00-\u9fffA-Za-z0-9]")


class Recognised(msgspec.Struct, frozen=True):
    """`count` sentences that are `phrase` of `element`, filled with `words`."""

    phrase: Phrase
    element: str
    words: Mapping[str, str]
    count: int


class Recogniser:
    """All phrases of a book, found by how they begin."""

    def __init__(self, book: PhraseBook) -> None:
        self._by_beginning: dict[str, list[tuple[Phrase, str]]] = {}
        for phrase, element in _phrases(book):
            if _own(phrase) < _TELLING:
                continue
            beginning = _polite(_PARTICLE.split(_SLOT.split(phrase.text)[0])[0])[:_INDEXED]
            self._by_beginning.setdefault(beginning, []).append((phrase, element))

    def find(self, sentences: Sequence[str]) -> Recognised | None:
        """The phrase that `sentences` begin with, the one that says most of it in its own words."""
        first = _polite(sentences[0])
        best: Recognised | None = None
        for length in range(_INDEXED, -1, -1):
            for phrase, element in self._by_beginning.get(first[:length], ()):
                count = max(len(_END.findall(phrase.text)), 1)
                found = _pattern(phrase.text).fullmatch(_polite("".join(sentences[:count])))
                if found and (best is None or _own(phrase) > _own(best.phrase)):
                    best = Recognised(phrase, element, found.groupdict(), count)
        return best


def _phrases(book: PhraseBook) -> Iterator[tuple[Phrase, str]]:
    for element, phrases in book.elements.items():
        for phrase in phrases:
            yield phrase, POINT if element in {"point_lead", "point_short"} else element
    for phrases in book.points.values():
        for phrase in phrases:
            yield phrase, POINT
    for phrases in book.flavours.values():
        for phrase in phrases:
            yield phrase, FLAVOUR


def _own(phrase: Phrase) -> int:
    """Letters that are the phrase's own."""
    return len(_LETTER.findall(_SLOT.sub("", phrase.text)))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """A phrase as an expression over polite sentences; a slot that stands twice is filled alike."""
    seen: set[str] = set()
    parts: list[str] = []
    for index, piece in enumerate(_SLOT.split(_TAIL.sub("", _polite(text)))):
        if index % 2:
            parts.append(f"(?P={piece})" if piece in seen else f"(?P<{piece}>.{{1,{_LONGEST_WORD}}}?)")
            seen.add(piece)
        else:
            escaped = re.escape(piece).replace("。", "[。！]").replace("！", "[。！]")
            parts.append(re.sub(r"\\\[(.)\\\]", r"\1?", escaped))
    return re.compile("".join(parts) + "[哦哈]?[。！]*")


def _polite(text: str) -> str:
    return text.replace("你们", "各位").replace("你", "您")


@cache
def recogniser() -> Recogniser:
    """That of the packaged phrase book."""
    return Recogniser(phrase_book())
