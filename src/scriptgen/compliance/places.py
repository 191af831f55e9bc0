"""How far a text has come in the templates: the places within them, shared by all that go on alike.

A place is unfolded only when a text reaches it, and words are never split into nodes: nothing is built for a
template beyond its first words until then. Which places a text has reached is the automaton's matter.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from .templates import Chain, Choice, Gap, Node, Remainder, Repeat, Words, any_of

#: Lists of no more words than this are merged with others at the same place.
_FEW: Final = 24
_LAST_CHARACTER: Final = "\U0010ffff"
_WORD: Final = itemgetter(0)


class WordPlace:
    """Within the sorted `words[low:high]`, which are alike in the `depth` characters read of them. `thens`
    are the places after each word, or the one after them all; `firsts` the characters that may come next;
    `within` is False where templates begin.
    """

    __slots__ = (
        "_after",
        "_depth",
        "_high",
        "_low",
        "_only",
        "_thens",
        "_words",
        "firsts",
        "spelled",
        "within",
    )

    def __init__(
        self,
        words: Sequence[str],
        thens: Sequence[BetweenPlace],
        bounds: tuple[int, int],
        depth: int,
        firsts: Collection[str],
        *,
        spelled: bool,
        within: bool = True,
    ) -> None:
        self._words = words
        self._thens = thens
        self._low, self._high = bounds
        self._depth = depth
        self.firsts = firsts
        self.spelled = spelled
        self.within = within
        self._after: dict[str, tuple[Place, ...]] | None = None
        self._only: tuple[Place, ...] | None = None

    def after(self, character: str) -> tuple[Place, ...]:
        """Where `character`, one of `firsts`, leads."""
        if self._high - self._low == 1:  # a single word, as most are: it goes on with one character only
            if self._only is None:
                self._only = self._reach(character)
            return self._only
        if self._after is None:
            self._after = {}
        places = self._after.get(character)
        if places is None:
            places = self._after[character] = self._reach(character)
        return places

    def _reach(self, character: str) -> tuple[Place, ...]:
        words, thens, low, high, depth = self._words, self._thens, self._low, self._high, self._depth + 1
        firsts: Collection[str] | None = None
        if isinstance(self.firsts, dict):
            low, high, firsts = self.firsts[character]
        elif high - low > 1:
            begun = words[low][: depth - 1] + character
            low = bisect_left(words, begun, low, high)
            high = bisect_left(words, begun + _LAST_CHARACTER, low, high)
        reached: list[Place] = []
        while low < high and len(words[low]) == depth:  # the shortest stand first
            reached.append(thens[low] if len(thens) > 1 else thens[0])
            low += 1
        if low < high:
            if firsts is None:
                firsts = (
                    any_of([word[depth] for word in words[low:high]]) if high - low > 1 else words[low][depth]
                )
            reached.append(WordPlace(words, thens, (low, high), depth, firsts, spelled=self.spelled))
        return tuple(reached)

    def begin_again(self) -> None:
        """Forget what texts have unfolded, except the places right after the words: to unfold those takes
        longer than all else, and most texts reach them.
        """
        self._after = self._only = None
        thens = list(dict.fromkeys(self._thens))
        for then in thens:
            then.fold()
        for then in thens:
            thens += then.unfold().between


class SoundPlace(NamedTuple):
    """Within another spelling of the next character of `place`, of which `sound` has been read, or between
    noise and that character.
    """

    place: WordPlace
    sound: str


class GapPlace:
    """Before `least` to `most` characters that are none of `members`, which lead to `then`."""

    __slots__ = ("_after", "_least", "_most", "_then", "members")

    def __init__(self, members: Collection[str], least: int, most: int, then: BetweenPlace) -> None:
        self.members = members
        self._least = least
        self._most = most
        self._then = then
        self._after: tuple[Place, ...] | None = None

    def after(self) -> tuple[Place, ...]:
        """Where any other character leads."""
        if self._after is None:
            ends = (self._then,) if self._least <= 1 else ()
            if self._most > 1:
                self._after = (GapPlace(self.members, self._least - 1, self._most - 1, self._then), *ends)
            else:
                self._after = ends
        return self._after


class Unfolded(NamedTuple):
    """The labels of the templates complete at a place, and the places that are reached with it."""

    labels: tuple[int, ...]
    words: tuple[tuple[Collection[str], WordPlace], ...]
    gaps: tuple[GapPlace, ...]
    between: tuple[BetweenPlace, ...]


class BetweenPlace:
    """Between two nodes: `threads` are what is left of the templates that have come here."""

    __slots__ = ("_threads", "unfolded")

    def __init__(self, threads: Sequence[Thread]) -> None:
        self._threads = threads
        self.unfolded: Unfolded | None = None

    def unfold(self) -> Unfolded:
        """Find out, once more, what may come next; the result is kept in `unfolded`."""
        entered = _Entered(self._threads)
        self.unfolded = Unfolded(
            tuple(entered.labels),
            tuple([(place.firsts, place) for place in _word_places(entered.words, _FEW)]),
            tuple(entered.gaps),
            tuple(dict.fromkeys(entered.between)) if entered.between else (),
        )
        return self.unfolded

    def fold(self) -> None:
        """Forget what this place, and those its threads lead to, have unfolded to."""
        if self.unfolded is not None:
            self.unfolded = None
            for _, then in self._threads:
                if isinstance(then, BetweenPlace):
                    then.fold()


#: What is left of a template up to the label it bears, or up to a place where others go on with it.
Thread = tuple[Remainder, BetweenPlace | int]
Place = WordPlace | SoundPlace | GapPlace | BetweenPlace


class _Entered:
    """What the next character may belong to at the beginning of some threads: words and gaps; and what is
    reached without one. Threads that begin with the same node go on as one.
    """

    __slots__ = ("_heads", "_runs", "between", "gaps", "labels", "words")

    def __init__(self, threads: Iterable[Thread]) -> None:
        self.words: dict[Words, list[Thread]] = {}
        self.gaps: list[GapPlace] = []
        self.labels: list[int] = []
        self.between: list[BetweenPlace] = []
        self._heads: dict[Node, list[Thread]] = {}
        self._runs: dict[Repeat, list[Thread]] = {}
        for remainder, then in threads:
            self._enter(remainder, then)
        while self._heads or self._runs:  # runs last: other nodes may begin with the same
            self._open(*(self._heads or self._runs).popitem())

    def _enter(self, remainder: Remainder, then: BetweenPlace | int) -> None:
        for index, node in enumerate(remainder, 1):
            thread = remainder[index:], then
            if isinstance(node, Words):
                self.words.setdefault(node, []).append(thread)
                return
            if isinstance(node, Repeat) and node.fewer:
                self._runs.setdefault(node, []).append(thread)
                return
            self._heads.setdefault(node, []).append(thread)
            if node.least or not isinstance(node, Repeat):
                return
        if isinstance(then, BetweenPlace):
            self.between.append(then)
        else:
            self.labels.append(then)

    def _open(self, node: Node, threads: list[Thread]) -> None:
        if isinstance(node, Gap) or (isinstance(node, Repeat) and node.fewer):
            # What follows is the same after any number of rounds: one place for all of them.
            then = _place(threads)
            if isinstance(node, Gap):
                self.gaps.append(GapPlace(node.members, node.least, node.most, then))
            else:
                self._enter((node.body, *node.fewer), then)
            if not node.least:
                self.between.append(then)
            return
        if isinstance(node, Choice) and len(threads) > 1:
            threads = [((), _place(threads))]
        for begun in _ways(node):
            for rest, after in threads:
                self._enter(begun + rest, after)


def _ways(node: Node) -> Sequence[Remainder]:
    """What a node stands for, one entry for each way to read it."""
    if isinstance(node, Choice):
        return [(option,) for option in node.options]
    if isinstance(node, Repeat):
        return [(node.body,)]
    return [node.parts] if isinstance(node, Chain) else []


def beginnings(templates: Iterable[tuple[Node, int]]) -> list[WordPlace]:
    """The places before all of some (template, label) pairs. Automata may share them."""
    entered = _Entered([((node,), label) for node, label in templates])
    places = _word_places(entered.words, sys.maxsize)
    for place in places:
        place.begin_again()
    return places


def _word_places(words: dict[Words, list[Thread]], few: int) -> list[WordPlace]:
    """The places before some lists of words. Those of a `few` words are merged, so that the next character is
    looked up but once; the others stay as they are, shared by all templates that name them.
    """
    places: list[WordPlace] = []
    plain: list[tuple[str, BetweenPlace]] = []
    spelled: list[tuple[str, BetweenPlace]] = []
    for node, threads in words.items():
        then = _place(threads)
        if len(node.words) > few or (len(words) < 4 and few < 99):
            bounds = 0, len(node.words)
            places.append(WordPlace(node.words, [then], bounds, 0, node.firsts, spelled=node.spelled))
        else:
            (spelled if node.spelled else plain).extend([(word, then) for word in node.words])
    for pairs in (plain, spelled):
        if pairs:
            pairs.sort(key=_WORD)
            merged = [word for word, _ in pairs]
            thens = [then for _, then in pairs]
            begins = few == sys.maxsize
            firsts = _ranges(merged) if begins else any_of([word[0] for word in merged])
            bounds = 0, len(merged)
            place = WordPlace(merged, thens, bounds, 0, firsts, spelled=pairs is spelled, within=not begins)
            places.append(place)
    return places


def _ranges(words: Sequence[str]) -> dict[str, tuple[int, int, Collection[str]]]:
    """Where the words of each first character stand, and the characters that follow it."""
    ranges: dict[str, tuple[int, int, Collection[str]]] = {}
    low = 0
    for first, group in groupby(words, _WORD):
        alike = list(group)
        high = low + len(alike)
        ranges[first] = low, high, any_of([word[1] for word in alike if len(word) > 1])
        low = high
    return ranges


def _place(threads: Sequence[Thread]) -> BetweenPlace:
    if len(threads) == 1:
        remainder, then = threads[0]
        if not remainder and isinstance(then, BetweenPlace):
            return then
    return BetweenPlace(threads)
