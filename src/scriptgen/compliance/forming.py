"""Walks a text character by character and knows which blocking matches are still forming in it.

It folds characters as `normalise` does and stops at the bridge limit as `normalise` does, so it sees every
match the matcher will see. It cannot tell a hit that counts from one that a context excuses.
"""

from __future__ import annotations

from .automaton import PrefixAutomaton, State
from .normalise import BRIDGE_COST, MAX_BRIDGE, Kind, Normaliser
from .segments import SENTENCE_ENDS, SOFT_LIMIT, segment_ends


class FormingWalk:
    """`hit` is the start of the earliest complete match, None while there is none."""

    __slots__ = ("_begin", "_fold", "_live", "_plain", "_separators", "_start", "_step", "hit")

    def __init__(self, automaton: PrefixAutomaton, normaliser: Normaliser) -> None:
        self._step = automaton.step
        self._start = automaton.start
        self._begin = automaton.start.next
        self._fold = normaliser.fold
        self._plain = normaliser.plain
        self._live: list[tuple[int, State]] = []
        self._separators = 0
        self.hit: int | None = None

    def earliest(self, position: int) -> int:
        """Where text must be held back from, with everything before `position` seen."""
        held = self._live[0][0] if self._live else position
        return held if self.hit is None else min(held, self.hit)

    def restart(self) -> None:
        self._live = []
        self._separators = 0
        self.hit = None

    def advance(self, text: str, length: int) -> tuple[int, bool]:  # noqa: C901, PLR0912 - the inner loop
        """Take `text` as what follows the segment's first `length` characters, up to the segment's end.

        Returns how many characters were taken and whether the segment ends there.
        """
        # Every character of every stream passes here: cached foldings and transitions are read in place.
        plain, begin, step, start = self._plain, self._begin, self._step, self._start
        live = self._live
        index = length
        for character in text:
            folded = plain.get(character)
            if folded is None:
                self._live = live
                folded = self._unusual(character)
                live = self._live
            else:
                self._separators = 0
            for each in folded:
                if live:
                    before, live = live, []
                    for origin, state in before:
                        try:
                            reached = state.next[each]
                        except KeyError:
                            reached = step(state, each)
                        if reached is not None:
                            if reached.accepts and (self.hit is None or origin < self.hit):
                                self.hit = origin
                            if reached.alive:
                                live.append((origin, reached))
                try:
                    fresh = begin[each]
                except KeyError:
                    fresh = step(start, each)
                if fresh is not None:
                    if fresh.accepts and self.hit is None:
                        self.hit = index
                    if fresh.alive:
                        live.append((index, fresh))
            index += 1
            if character in SENTENCE_ENDS or (
                index >= SOFT_LIMIT and segment_ends(index, character, forming=bool(live))
            ):
                self._live = live
                return index - length, True
        self._live = live
        return index - length, False

    def _unusual(self, character: str) -> str:
        """What a character becomes that is not one plain character: nothing for separators."""
        kind, folded = self._fold(character)
        if kind is Kind.TEXT:
            self._separators = 0
        else:
            self._separators += BRIDGE_COST[kind]
            if self._separators > MAX_BRIDGE:
                self._live = []
        return folded
