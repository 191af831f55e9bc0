"""Finds listed words typed with a wrong character: one that sounds alike (蓝牙耳几) or looks alike (绘夲).

Each likeness is a table that folds alike characters into one: what folds to the same was meant to be it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import ahocorasick

#: Shorter words have too many neighbours to be found anywhere; a phrase by itself may be as short as two.
_SHORTEST_FOUND, _SHORTEST, _LONGEST = 3, 2, 6
#: 腮红也, 折叠以: words of the sentence, typed for no other character.
_PARTICLES = frozenset("可也和以点等是的了就都还要我你他在有不把给来去说那这能会再更很又让对")
_ENDS = re.compile(r"的|[^一-龥a-z0-9]|$")
_CJK_WORD = re.compile(r"[一-龥]+")


class Misspelling:
    """`categories` are the listed words with their category, each of `alike` strings of characters alike."""

    def __init__(self, categories: Mapping[str, str], *alike: Sequence[str]) -> None:
        lengths = range(_SHORTEST, _LONGEST + 1)
        words = {w: c for w, c in categories.items() if len(w) in lengths and _CJK_WORD.fullmatch(w)}
        self._words = frozenset(categories)
        self._tables = [{ord(c): group[0] for group in groups for c in group} for groups in alike]
        self._folded: list[dict[str, list[tuple[str, str]]]] = []
        self._automata = []
        for table in self._tables:
            folded: dict[str, list[tuple[str, str]]] = {}
            for word, category in words.items():
                folded.setdefault(word.translate(table), []).append((word, category))
            automaton = ahocorasick.Automaton()
            for key, meant in folded.items():
                if len(key) >= _SHORTEST_FOUND:
                    automaton.add_word(key, meant)
            automaton.make_automaton()
            self._folded.append(folded)
            self._automata.append(automaton)

    def category_of(self, phrase: str) -> str:
        """The category of the one listed word that `phrase` is alike, half of it right; "" without one."""
        if not _SHORTEST <= len(phrase) <= _LONGEST:
            return ""
        for table, folded in zip(self._tables, self._folded, strict=True):
            if category := _category(phrase, folded.get(phrase.translate(table), ())):
                return category
        return ""

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Start, end and category of each listed word that is misspelt in normalised `text`."""
        for table, automaton in zip(self._tables, self._automata, strict=True):
            for last, meant in automaton.iter_long(text.translate(table)):
                start, end = last + 1 - len(meant[0][0]), last + 1
                # 奶粉喝: a word that is spelt well and what follows it.
                follows = text[start : end - 1] in self._words and not _ENDS.match(text, end)
                if not follows and (category := _category(text[start:end], meant)):
                    yield start, end, category


def _category(typed: str, meant: Sequence[tuple[str, str]]) -> str:
    if any(typed == word for word, _ in meant):
        return ""
    found = {category for word, category in meant if _may_stand_for(typed, word)}
    return found.pop() if len(found) == 1 else ""


def _may_stand_for(typed: str, word: str) -> bool:
    wrong = [a for a, b in zip(typed, word, strict=True) if a != b]
    return 2 * len(wrong) <= len(word) and not _PARTICLES.intersection(wrong)
