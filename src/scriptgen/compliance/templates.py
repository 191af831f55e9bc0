"""The nodes a template is made of: the bounds of its length and what is left of it after a character.

A template is a regular expression without unbounded repetition, so every match has a known longest length:
that bound is what lets the streaming guard release text early. It neither reads templates nor searches texts.

The remainders are Antimirov's partial derivatives (Theoretical Computer Science 155(2), 1996): nothing is
built for a template until a text reaches it, and a word list is one node however many templates name it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from operator import itemgetter
from typing import Final

_FIRST: Final = itemgetter(0)
#: Characters no `.` and no `[^…]` matches: sentence and clause ends, and the boundary mark of `normalise`.
CLAUSE_ENDS: Final = frozenset("。!?;\n\r,、…\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")


class Node:
    """`least` and `most` bound the characters of a match. `named` are the characters that are told apart at
    its beginning; all others are alike, and may begin a match only of an `open` node.
    """

    __slots__ = ("least", "most", "named", "open")
    named: Collection[str]

    def __init__(self, least: int, most: int, *, is_open: bool = False) -> None:
        self.least = least
        self.most = most
        self.open = is_open

    def __getattr__(self, name: str) -> Collection[str]:
        """Only for `named` before it is first asked for: most nodes lie where no text ever leads."""
        if name != "named":
            raise AttributeError(name)
        self.named = self._beginning()
        return self.named

    def _beginning(self) -> Collection[str]:
        raise NotImplementedError

    def after(self, character: str) -> tuple[Remainder, ...]:
        """What may follow once a match has begun with `character`; "" is any that is not named."""
        raise NotImplementedError


#: Nodes still to be matched one after the other.
Remainder = tuple[Node, ...]


def after(remainder: Remainder, character: str) -> list[Remainder]:
    """What is left of a remainder after one more character, one entry for each way to read it."""
    first = remainder[0]
    if first.least:  # the common case, kept short
        rest = remainder[1:]
        if not first.open and character not in first.named:
            return []
        return [each + rest for each in first.after(character)] if rest else list(first.after(character))
    left: list[Remainder] = []
    for index, node in enumerate(remainder):
        if node.open or character in node.named:
            rest = remainder[index + 1 :]
            left.extend(each + rest for each in node.after(character))
        if node.least:
            break
    return left


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
        super().__init__(1, 1, is_open=True)
        self.named = CLAUSE_ENDS | members

    def after(self, character: str) -> tuple[Remainder, ...]:
        return () if character in self.named else ((),)


class Words(Node):
    """One of some non-empty words; with `may_end` also nothing. The words stay whole until a text reaches
    them: sorted, those that begin alike stand together.
    """

    __slots__ = ("_after", "_words")

    def __init__(self, words: Iterable[str], *, may_end: bool = False) -> None:
        self._words = tuple(sorted(words))
        sizes = [len(word) for word in self._words]
        named = frozenset(map(_FIRST, self._words))
        # Most lists are one literal: a tuple of one is a quarter of a set of one, and as quick to ask.
        super().__init__(0 if may_end else min(sizes), max(sizes))
        self.named = named if len(named) > 1 else tuple(named)
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def after(self, character: str) -> tuple[Remainder, ...]:
        known = self._after.get(character)
        if known is None:
            if character not in self.named:
                return ()
            low = bisect_left(self._words, character, key=_FIRST)
            high = bisect_right(self._words, character, low, key=_FIRST)
            tails = [word[1:] for word in self._words[low:high]]
            longer = [tail for tail in tails if tail]
            ends = len(longer) < len(tails)
            known = self._after[character] = ((Words(longer, may_end=ends),),) if longer else ((),)
        return known


class Chain(Node):
    """Nodes one after the other."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Remainder) -> None:
        is_open = any(node.open for node in leading(parts))
        super().__init__(sum(p.least for p in parts), sum(p.most for p in parts), is_open=is_open)
        self._parts = parts

    def _beginning(self) -> Collection[str]:
        return _named_by(tuple(leading(self._parts)))

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(after(self._parts, character))


class Choice(Node):
    """One of some nodes."""

    __slots__ = ("_after", "_options")

    def __init__(self, options: Sequence[Node]) -> None:
        is_open = any(option.open for option in options)
        super().__init__(min(o.least for o in options), max(o.most for o in options), is_open=is_open)
        self._options = options
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def _beginning(self) -> Collection[str]:
        return _named_by(self._options)

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
        super().__init__(rounds * body.least, limit * body.most, is_open=body.open)
        self._body = body
        self._fewer: Remainder = (Repeat(body, max(rounds - 1, 0), limit - 1),) if limit > 1 else ()

    def _beginning(self) -> Collection[str]:
        return self._body.named

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(each + self._fewer for each in self._body.after(character))


def _named_by(nodes: Sequence[Node]) -> Collection[str]:
    if len(nodes) == 1:
        return nodes[0].named
    return frozenset(chain.from_iterable(node.named for node in nodes))
