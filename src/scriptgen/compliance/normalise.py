"""Folds a text to one spelling for matching and keeps, for every character, where it came from.

Character by character, so that any chunking of a stream folds to the same: NFKD without accents, case
folding, traditional to simplified, digits and symbols that are read as words; invisible characters go;
separators and emoji are bridged (left out) in runs of at most two, a dash counting as two, and become a
boundary in longer runs. What a text means is not decided here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

import msgspec

#: Stands for a longer run of separators; no template and no term contains it.
BOUNDARY: Final = "\x00"
#: The longest run of separators a term may have between two of its characters.
MAX_BRIDGE: Final = 2

#: Foldings remembered; hostile text that has more characters starts afresh.
_MAX_KNOWN: Final = 30_000

_KEPT_SYMBOLS: Final = frozenset(
    "。!?;,、…:+%¥$《》()\"'“”‘’「」『』\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
)
_DASHES: Final = frozenset("—―")


class Kind(IntEnum):
    DROPPED = 0  # invisible: matched as if it were not there
    SEPARATOR = 1
    TEXT = 2
    DASH = 3  # counts as `MAX_BRIDGE` separators: one may hide a term, two end a thought


#: How much of a bridge one character of a kind takes.
BRIDGE_COST: Final = {Kind.DROPPED: 0, Kind.SEPARATOR: 1, Kind.DASH: MAX_BRIDGE}


class Normalised(msgspec.Struct, frozen=True):
    """`text` is what rules match; `origins[i]` is the index of the original character that `text[i]` came
    from, None where it is `i`.
    """

    text: str
    origins: tuple[int, ...] | None

    def adjoin(self, at: int) -> bool:
        """Whether nothing stood between `text[at - 1]` and `text[at]` in the original."""
        return self.origins is None or self.origins[at] - self.origins[at - 1] <= 1

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """The span in the original of the non-empty span [start, end) of `text`."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1


class Normaliser:
    """`folds` maps single characters to what they stand for: simplified characters, digits, Latin
    look-alikes, and symbols that are read as words (➕, 💯, 🏢); "" marks a letter used as a mere separator
    (丶, の). All other symbols are separators.
    """

    def __init__(self, folds: Mapping[str, str]) -> None:
        self._folds = dict(folds)
        self._known: dict[str, tuple[Kind, str]] = {}
        self.plain: dict[str, str] = {}

    def fold(self, character: str) -> tuple[Kind, str]:
        """What one character becomes."""
        known = self._known.get(character)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
                self.plain.clear()
            known = self._known[character] = self._fold(character)
            if known[0] is Kind.TEXT and len(known[1]) == 1:
                self.plain[character] = known[1]
        return known

    def term(self, text: str) -> str:
        """A lexicon term as it appears in normalised text: separators go."""
        return "".join(out for kind, out in map(self.fold, text) if kind is Kind.TEXT)

    def normalise(self, text: str) -> Normalised:
        try:
            return Normalised("".join(map(self.plain.__getitem__, text)), None)
        except KeyError:
            pass
        return self._with_origins(text)

    def _with_origins(self, text: str) -> Normalised:
        plain = self.plain
        parts: list[str] = []
        origins: list[int] = []
        run = 0
        for index, character in enumerate(text):
            out = plain.get(character)
            if out is None:
                kind, out = self.fold(character)
                if kind is not Kind.TEXT:
                    run += BRIDGE_COST[kind]
                    continue
            if run > MAX_BRIDGE:
                parts.append(BOUNDARY)
                origins.append(index - 1)
            run = 0
            parts.append(out)
            if len(out) == 1:
                origins.append(index)
            else:
                origins.extend([index] * len(out))
        return Normalised("".join(parts), tuple(origins))

    def _fold(self, character: str) -> tuple[Kind, str]:
        read = self._folds.get(character)
        if read is not None:
            return (Kind.TEXT, read) if read else (Kind.SEPARATOR, "")
        if character in _KEPT_SYMBOLS:
            return Kind.TEXT, character
        if character in _DASHES:
            return Kind.DASH, ""
        kind = _kind_of(character)
        if kind is not Kind.TEXT:
            return kind, ""
        folded = "".join(
            self._folds.get(c, c)
            for c in unicodedata.normalize("NFKD", character).casefold()
            if _kind_of(c) is Kind.TEXT or c in _KEPT_SYMBOLS
        )
        return (Kind.TEXT, folded) if folded else (Kind.SEPARATOR, "")


def _kind_of(character: str) -> Kind:
    category = unicodedata.category(character)
    if category in {"Mn", "Me", "Cf", "Cc"} and character != "\t":
        return Kind.DROPPED
    if category[0] in "ZSC" or (category[0] == "P" and character not in _KEPT_SYMBOLS):
        return Kind.SEPARATOR if _folds_to_symbol(character) else Kind.TEXT
    return Kind.TEXT


def _folds_to_symbol(character: str) -> bool:
    """False for symbols that NFKC turns into letters, digits or kept punctuation (①, ％, ，)."""
    folded = unicodedata.normalize("NFKC", character)
    return not any(c.isalnum() or c in _KEPT_SYMBOLS for c in folded)
