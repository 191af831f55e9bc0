"""Brings typed text into one form for matching while every character keeps its offset.

What is matched on the normal form can therefore be cut from the typed text as an exact substring. It does not
undo evasion (that is the compliance room's); it undoes width, case, traditional and playful characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

#: Quotation marks and dashes of all families become one, so that patterns need to name only one.
_PUNCTUATION = {"“": '"', "”": '"', "「": '"', "」": '"', "『": '"', "』": '"', "‘": '"', "’": '"', "—": "-"}


class Normaliser:
    """Maps text to lower case, half width and simplified characters, one character to one character."""

    def __init__(self, characters: Mapping[str, str]) -> None:
        self._table: dict[str, str] = {**characters, **_PUNCTUATION}

    def __call__(self, text: str) -> str:
        return text if text.isascii() and text.islower() else "".join(map(self._fold, text))

    def _fold(self, char: str) -> str:
        known = self._table.get(char)
        if known is None:
            folded = unicodedata.normalize("NFKC", char).lower()
            # A fold that changes the length would move every later offset: such characters stay as typed.
            known = folded if len(folded) == 1 else char
            known = self._table.get(known, known)
            if len(self._table) < 20_000:
                self._table[char] = known
        return known
