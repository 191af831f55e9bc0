"""Which templates match where, and which could still be completed: one automaton over all templates.

Its deterministic states are made on demand and kept. Unlike a plain multi-pattern search it also tells, after
every character, the earliest start of a match that is still forming: what the streaming guard must hold back.
It knows nothing of rules, severities or offsets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .templates import Node, Remainder, after, complete, leading, may_begin

#: Transitions kept; hostile text that makes more of them starts the cache afresh.
_MAX_TRANSITIONS: Final = 200_000
_Positions = frozenset[tuple[int, Remainder]]


class State:
    """Templates read so far: what is left of each, by label. `accepts` are the labels of those complete here;
    `alive` tells whether a longer match may follow; `next` caches the transitions (None: every match dies).
    """

    __slots__ = ("_named", "accepts", "alive", "next", "positions")

    def __init__(self, positions: _Positions) -> None:
        self.positions = positions
        self.accepts = tuple(sorted({label for label, left in positions if complete(left)}))
        self.alive = any(left for _, left in positions)
        self.next: dict[str, State | None] = {}
        self._named: set[str] | None = None

    def tells_apart(self, character: str) -> bool:
        """False when `character` leads where every character leads that no template names here."""
        if self._named is None:
            self._named = set().union(*(n.named for _, left in self.positions for n in leading(left)))
        return character in self._named


class PrefixAutomaton:
    """Built once from (template, label) pairs; `start` and `step` walk it, one character at a time."""

    def __init__(self, templates: Iterable[tuple[Node, int]]) -> None:
        self._beginnings: dict[str, list[tuple[int, Remainder]]] = {}
        for node, label in templates:
            position = (label, (node,))
            for character in node.named:
                self._beginnings.setdefault(character, []).append(position)
        self.start = State(frozenset())
        self._states: dict[_Positions, State] = {}
        self._transitions = 0

    def step(self, state: State, character: str) -> State | None:
        """The state after one more character, or None when nothing can match any more."""
        try:
            return state.next[character]
        except KeyError:
            return self._derive(state, character)

    def matches(self, text: str) -> list[tuple[int, int, int]]:
        """The longest match of every template from every start, as (start, end, label)."""
        found: dict[tuple[int, int], int] = {}
        derive = self._derive
        size = len(text)
        for origin in range(size):
            state = self.start
            at = origin
            while at < size:
                character = text[at]
                try:
                    reached = state.next[character]
                except KeyError:
                    reached = derive(state, character)
                if reached is None:
                    break
                at += 1
                if reached.accepts:
                    for label in reached.accepts:
                        found[origin, label] = at
                if not reached.alive:
                    break
                state = reached
        return [(start, end, label) for (start, label), end in found.items()]

    def _derive(self, state: State, character: str) -> State | None:
        if self._transitions >= _MAX_TRANSITIONS:
            self._transitions = 0
            self._states.clear()
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
        state.next[character] = reached
        return reached

    def _state(self, before: Iterable[tuple[int, Remainder]], character: str) -> State | None:
        positions = frozenset(
            (label, left)
            for label, remainder in before
            if remainder and may_begin(remainder[0], character)
            for left in after(remainder, character)
        )
        if not positions:
            return None
        state = self._states.get(positions)
        if state is None:
            state = self._states[positions] = State(positions)
        return state
