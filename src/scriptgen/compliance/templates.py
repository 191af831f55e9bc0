"""The nodes a template is made of: the bounds of its length and what is left of it after a character.

A template is a regular expression without unbounded repetition, so every match has a known longest length:
that bound is what lets the streaming guard release text early. It neither reads templates nor searches texts.

The remainders are Antimirov's partial derivatives (Theoretical Computer Science 155(2), 1996): nothing is
built for a template until a text reaches it, and a word list is one node however many templates name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Final

#: Characters no `.` and no `[^…]` matches: sentence and clause ends, and the boundary mark of `normalise`.
CLAUSE_ENDS: Final = frozenset("。!?;\n\r,、…\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class Node:
    """`least` and `most` bound the characters of a match. `named` are the characters that are told apart at
    its beginning; all others are alike, and may begin a match only of an `open` node.
    """

    __slots__ = ("least", "most", "named", "open")

    def __init__(self, least: int, most: int, named: AbstractSet[str], *, is_open: bool = False) -> None:
        self.least = least
        self.most = most
        self.named = named
        self.open = is_open

    def after(self, character: str) -> tuple[Remainder, ...]:
        """What may follow once a match has begun with `character`; "" is any that is not named."""
        raise NotImplementedError


#: Nodes still to be matched one after the other.
Remainder = tuple[Node, ...]


def after(remainder: Remainder, character: str) -> list[Remainder]:
    """What is left of a remainder after one more character, one entry for each way to read it."""
    left: list[Remainder] = []
    for index, node in enumerate(remainder):
        if node.open or character in node.named:
            rest = remainder[index + 1 :]
            left.extend(each + rest for each in node.after(character))
        if node.least:
            break
    return left


def may_begin(node: Node, character: str) -> bool:
    """False when nothing is left of a remainder that starts with `node`: a cheap look before `after`."""
    return node.open or character in node.named or not node.least


def leading(remainder: Remainder) -> Iterator[Node]:
    """The nodes the next character may belong to."""
    for node in remainder:
        yield node
        if node.least:
            break


def complete(remainder: Remainder) -> bool:
    """Whether a match may end here."""
    return not any(node.least for node in remainder)


class Excluding(Node):
    """One character of the clause that is none of `members`."""

    __slots__ = ()

    def __init__(self, members: AbstractSet[str]) -> None:
        super().__init__(1, 1, CLAUSE_ENDS | members, is_open=True)

    def after(self, character: str) -> tuple[Remainder, ...]:
        return () if character in self.named else ((),)


class Words(Node):
    """One of some non-empty words; with `may_end` also nothing."""

    __slots__ = ("_after", "_tails")

    def __init__(self, words: Iterable[str], *, may_end: bool = False) -> None:
        tails: dict[str, list[str]] = {}
        sizes = set()
        for word in words:
            sizes.add(len(word))
            tails.setdefault(word[0], []).append(word[1:])
        super().__init__(0 if may_end else min(sizes), max(sizes), tails.keys())
        self._tails = tails
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def after(self, character: str) -> tuple[Remainder, ...]:
        known = self._after.get(character)
        if known is None:
            tails = self._tails.get(character)
            if tails is None:
                return ()
            longer = [tail for tail in tails if tail]
            ends = len(longer) < len(tails)
            known = self._after[character] = ((Words(longer, may_end=ends),),) if longer else ((),)
        return known


class Chain(Node):
    """Nodes one after the other."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Remainder) -> None:
        named, is_open = _beginning(leading(parts))
        super().__init__(sum(p.least for p in parts), sum(p.most for p in parts), named, is_open=is_open)
        self._parts = parts

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(after(self._parts, character))


class Choice(Node):
    """One of some nodes."""

    __slots__ = ("_after", "_options")

    def __init__(self, options: Sequence[Node]) -> None:
        named, is_open = _beginning(options)
        super().__init__(min(o.least for o in options), max(o.most for o in options), named, is_open=is_open)
        self._options = options
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def after(self, character: str) -> tuple[Remainder, ...]:
        if character not in self.named:
            character = ""
        known = self._after.get(character)
        if known is None:
            options = (o for o in self._options if o.open or character in o.named)
            known = tuple(chain.from_iterable(option.after(character) for option in options))
            self._after[character] = known
        return known


class Repeat(Node):
    """`body` from `rounds` to `limit` times."""

    __slots__ = ("_body", "_fewer")

    def __init__(self, body: Node, rounds: int, limit: int) -> None:
        super().__init__(rounds * body.least, limit * body.most, body.named, is_open=body.open)
        self._body = body
        self._fewer: Remainder = (Repeat(body, max(rounds - 1, 0), limit - 1),) if limit > 1 else ()

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(each + self._fewer for each in self._body.after(character))


def _beginning(nodes: Iterable[Node]) -> tuple[AbstractSet[str], bool]:
    named: set[str] = set()
    is_open = False
    for node in nodes:
        named |= node.named
        is_open = is_open or node.open
    return named, is_open
