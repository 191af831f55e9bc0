"""Brings typed text into one form for matching while every character keeps its offset.

What is matched on the normal form can therefore be cut from the typed text as an exact substring. It does not
undo evasion (that is the compliance room's); it undoes width, case, traditional and playful characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

#: Quotation marks and dashes of all families become one, so that patterns need to name only one.
_PUNCTUATION = {"“": '"', "”": '"', "「": '"', "」": '"', "『": '"', "』": '"', "‘": '"', "’": '"', "—": "-"}


#: Characters that a table learns at most: memory stays bounded whatever is typed.
_TABLE_LIMIT = 20_000


class Normaliser:
    """Maps text to lower case, half width and simplified characters, one character to one character."""

    def __init__(self, characters: Mapping[str, str]) -> None:
        self._table = _Folding({ord(char): known for char, known in {**characters, **_PUNCTUATION}.items()})

    def __call__(self, text: str) -> str:
        return text if text.isascii() and text.islower() else text.translate(self._table)


class _Folding(dict[int, str]):
    """A translation table that learns a character when it is first met."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = unicodedata.normalize("NFKC", char).lower()
        # A fold that changes the length would move every later offset: such characters stay as typed.
        known = folded if len(folded) == 1 else char
        known = self.get(ord(known), known)
        if len(self) < _TABLE_LIMIT:
            self[code] = known
        return known
