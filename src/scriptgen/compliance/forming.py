"""Walks a text character by character and knows which blocking matches are still forming in it.

It folds characters as `normalise` does and stops at the bridge limit as `normalise` does, so it sees every
match the matcher will see. It cannot tell a hit that counts from one that a context excuses.
"""

from __future__ import annotations

from typing import Final

from .automaton import PrefixAutomaton, State
from .normalise import MAX_BRIDGE, Kind, Normaliser
from .segments import SENTENCE_ENDS, SOFT_LIMIT, segment_ends

_TEXT: Final = Kind.TEXT
_SEPARATOR: Final = Kind.SEPARATOR


class FormingWalk:
    """`hit` is the start of the earliest complete match, None while there is none."""

    __slots__ = ("_automaton", "_fold", "_known", "_live", "_separators", "hit")

    def __init__(self, automaton: PrefixAutomaton, normaliser: Normaliser) -> None:
        self._automaton = automaton
        self._fold = normaliser.fold
        self._known = normaliser.known
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
        # Every character of every stream passes here: locals, and cached transitions read in place.
        step, start_state, fold = self._automaton.step, self._automaton.start, self._fold
        known = self._known
        live, hit, separators = self._live, self.hit, self._separators
        ended = False
        taken = 0
        for index, character in enumerate(text, length):
            taken += 1
            kind, folded = known.get(character) or fold(character)
            if kind is _TEXT:
                if separators:
                    if separators > MAX_BRIDGE:
                        live = []
                    separators = 0
                for each in folded:
                    if live:
                        before, live = live, []
                        for begin, state in before:
                            try:
                                after = state.next[each]
                            except KeyError:
                                after = step(state, each)
                            if after is not None:
                                if after.accepts and (hit is None or begin < hit):
                                    hit = begin
                                if after.alive:
                                    live.append((begin, after))
                    try:
                        after = start_state.next[each]
                    except KeyError:
                        after = step(start_state, each)
                    if after is not None:
                        if after.accepts and hit is None:
                            hit = index
                        if after.alive:
                            live.append((index, after))
            elif kind is _SEPARATOR:
                separators += 1
                if separators > MAX_BRIDGE:
                    live = []
            if character in SENTENCE_ENDS or (
                index + 1 >= SOFT_LIMIT and segment_ends(index + 1, character, forming=bool(live))
            ):
                ended = True
                break
        self._live, self.hit, self._separators = live, hit, separators
        return taken, ended
