"""Which templates match where, and which could still be completed: one automaton over all templates.

Its deterministic states are made on demand and kept. Unlike a plain multi-pattern search it also tells, after
every character, the earliest start of a match that is still forming: what the streaming guard must hold back.
It knows nothing of rules, severities or offsets.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import add
from typing import Final

from .templates import Node, Remainder, after, complete, leading

#: Transitions kept, some 0.5 KB each with their states; text that makes more of them starts the cache afresh.
_MAX_TRANSITIONS: Final = 60_000
_Position = tuple[int, Remainder]


class State:
    """Templates read so far: what is left of each, by label. `accepts` are the labels of those complete here;
    `alive` tells whether a longer match may follow; `next` caches the transitions (None: every match dies).
    """

    __slots__ = ("_open", "accepts", "alive", "next", "positions")

    def __init__(self, positions: tuple[_Position, ...]) -> None:
        self.positions = positions
        self.accepts = tuple(sorted({label for label, left in positions if complete(left)}))
        self.alive = any(left for _, left in positions)
        self.next: dict[str, State | None] = {}
        self._open = any(node.open for _, left in positions for node in leading(left))

    def tells_apart(self, character: str) -> bool:
        """False when `character` leads where every character leads that no template names here."""
        if not self._open:
            return True  # nowhere, then: found out faster than looked up
        return any(character in node.named for _, left in self.positions for node in leading(left))


class PrefixAutomaton:
    """Built once from (template, label) pairs; `start` and `step` walk it, one character at a time."""

    def __init__(self, templates: Iterable[tuple[Node, int]]) -> None:
        self._beginnings: dict[str, list[_Position]] = {}
        for node, label in templates:
            position = (label, (node,))
            for character in node.named:
                self._beginnings.setdefault(character, []).append(position)
        self.start = State(())
        self._states: dict[tuple[_Position, ...], State] = {}
        # What states have in common is kept once: a position is in many, a character leads out of many.
        self._positions: dict[_Position, _Position] = {}
        self._characters: dict[str, str] = {}
        self._transitions = 0
        self._barren: set[str] = set()  # pairs of characters from whose first nothing matches

    def step(self, state: State, character: str) -> State | None:
        """The state after one more character, or None when nothing can match any more."""
        try:
            return state.next[character]
        except KeyError:
            return self._derive(state, character)

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """The longest match of every template from every start, as (start, end, label)."""
        found: dict[tuple[int, int], int] = {}
        derive, barren = self._derive, self._barren
        # From most places of a lawful text nothing matches: two characters tell, and are remembered.
        pairs = [*map(add, text, text[1:]), text[-1:]]
        for origin in [at for at, pair in enumerate(pairs) if pair not in barren]:
            state = self.start
            at = origin
            for character in text[origin:]:
                try:
                    reached = state.next[character]
                except KeyError:
                    reached = derive(state, character)
                if reached is None:
                    if at - origin <= 1 and not state.accepts:
                        self._remember(pairs[origin])
                    break
                at += 1
                if reached.accepts:
                    for label in reached.accepts:
                        found[origin, label] = at
                if not reached.alive:
                    break
                state = reached
        return [(start, end, label) for (start, label), end in found.items()]

    def _remember(self, pair: str) -> None:
        if len(self._barren) >= _MAX_TRANSITIONS:
            self._barren.clear()
        self._barren.add(pair)

    def _derive(self, state: State, character: str) -> State | None:
        if self._transitions >= _MAX_TRANSITIONS:
            self._transitions = 0
            self._states.clear()
            self._positions.clear()
            self._characters.clear()
            self.start.next.clear()
        self._transitions += 1
        if state is self.start:
            reached = self._state(self._beginnings.get(character, ()), character)
        elif state.tells_apart(character):
            reached = self._state(state.positions, character)
        elif "" in state.next:
            reached = state.next[""]
        else:
            reached = state.next[""] = self._state(state.positions, "")
        state.next[self._characters.setdefault(character, character)] = reached
        return reached

    def _state(self, before: Iterable[_Position], character: str) -> State | None:
        reached: dict[_Position, None] = {}
        shared = self._positions.setdefault
        for label, remainder in before:  # most of them end here: looked at in place
            if remainder:
                first = remainder[0]
                if character in first.named or first.open or not first.least:
                    for left in after(remainder, character):
                        position = (label, left)
                        reached[shared(position, position)] = None
        if not reached:
            return None
        positions = tuple(reached)
        state = self._states.get(positions)
        if state is None:
            state = self._states[positions] = State(positions)
        return state
