"""The nodes a template is made of: what its reader builds and the automaton walks.

A template is a regular expression without unbounded repetition, so every match has a longest length: that
is what lets the streaming guard release text early. It neither reads templates nor searches texts.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

_FEW: Final = 24
#: Characters no `.` and no `[^…]` matches: sentence and clause ends, and the boundary mark of `normalise`.
CLAUSE_ENDS: Final = frozenset("。!?;\n\r,、…\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class Node:
    """Matches at least `least` characters; 0 means it may be left out."""

    __slots__ = ("least",)

    def __init__(self, least: int) -> None:
        self.least = least


#: Nodes still to be matched one after the other.
Remainder = tuple[Node, ...]


class Words(Node):
    """One of some non-empty words, kept sorted. Where they are `spelled`, each of their characters may also
    stand in its other spellings.
    """

    __slots__ = ("_firsts", "spelled", "words")

    def __init__(self, words: Iterable[str], *, spelled: bool = False) -> None:
        self.words = sorted(map(sys.intern, words))  # a few thousand words stand in ten times as many places
        super().__init__(min(map(len, self.words)))
        self.spelled = spelled
        self._firsts: Collection[str] | None = None

    @property
    def firsts(self) -> Collection[str]:
        """The characters the words begin with, as they are written."""
        if self._firsts is None:
            self._firsts = any_of([word[0] for word in self.words])
        return self._firsts


class Gap(Node):
    """`least` to `most` characters of the clause that are none of `members`."""

    __slots__ = ("members", "most")

    def __init__(self, members: AbstractSet[str], least: int, most: int) -> None:
        super().__init__(least)
        self.members = members
        self.most = most


class Chain(Node):
    """Nodes one after the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: Remainder) -> None:
        super().__init__(sum([part.least for part in parts]))
        self.parts = parts


class Choice(Node):
    """One of some nodes."""

    __slots__ = ("options",)

    def __init__(self, options: Sequence[Node]) -> None:
        super().__init__(min([option.least for option in options]))
        self.options = options


class Repeat(Node):
    """`body` from `rounds` to `limit` times."""

    __slots__ = ("_fewer", "_limit", "_rounds", "body")

    def __init__(self, body: Node, rounds: int, limit: int) -> None:
        super().__init__(rounds * body.least)
        self.body = body
        self._rounds = rounds
        self._limit = limit
        self._fewer: Remainder | None = None

    @property
    def fewer(self) -> Remainder:
        """What is left of it after one round."""
        if self._fewer is None:
            once = Repeat(self.body, max(self._rounds - 1, 0), self._limit - 1) if self._limit > 1 else None
            self._fewer = () if once is None else (once,)
        return self._fewer


def may_begin_with_anything(node: Node) -> bool:
    """Whether a match may begin with characters no one has written down."""
    if isinstance(node, Chain):
        for part in node.parts:
            if may_begin_with_anything(part):
                return True
            if part.least:
                break
        return False
    if isinstance(node, Choice):
        return any(map(may_begin_with_anything, node.options))
    if isinstance(node, Repeat):
        return may_begin_with_anything(node.body)
    return isinstance(node, Gap)


class Spellings:
    """What the characters of evasive words may also be written as: homophones, pinyin. `sounds` tells of
    every beginning of a spelling which characters are written so, and of which the spelling goes on. One
    character of `noise` may stand anywhere within what is spelled.
    """

    def __init__(self, spellings: Mapping[str, Iterable[str]], noise: str = "") -> None:
        complete: dict[str, list[str]] = {}
        begun: dict[str, set[str]] = {}
        for character, others in spellings.items():
            for spelling in others:
                complete.setdefault(spelling, []).append(character)
                for size in range(1, len(spelling)):
                    begun.setdefault(spelling[:size], set()).add(character)
        self.sounds: Mapping[str, tuple[tuple[str, ...], AbstractSet[str]]] = {
            sound: (tuple(complete.get(sound, ())), frozenset(begun.get(sound, ())))
            for sound in {*complete, *begun, *noise}
        }
        self.noise = frozenset(noise)


def any_of(characters: Iterable[str]) -> Collection[str]:
    """The distinct `characters`, to ask which of them a text goes on with. A few are a string: a tenth the
    size of a set and as quick.
    """
    distinct = set(characters)
    return "".join(distinct) if len(distinct) <= _FEW else frozenset(distinct)
