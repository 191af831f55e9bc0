"""Which templates match where, and which could still be completed: one automaton over all templates.

Thompson's construction (CACM 11(6), 1968) with the deterministic states made on demand and kept. Unlike a
plain multi-pattern search it also tells, after every character, the earliest start of a match that is still
forming: what the streaming guard must hold back. It knows nothing of rules, severities or offsets.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from .templates import Chain, Chars, Choice, Node, Repeat

#: Deterministic states kept; hostile text that makes more of them starts the cache afresh.
_MAX_STATES: Final = 20_000


class State:
    """A set of template positions. `accepts` are the labels of templates complete here; `alive` tells
    whether a longer match may follow; `next` caches the transitions (None: every match dies).
    """

    __slots__ = ("accepts", "alive", "next", "positions")

    def __init__(self, positions: frozenset[int], accepts: tuple[int, ...], alive: bool) -> None:
        self.positions = positions
        self.accepts = accepts
        self.alive = alive
        self.next: dict[str, State | None] = {}


class PrefixAutomaton:
    """Built once from (template, label) and (term, label) pairs; `start` and `step` walk it, one character
    at a time.
    """

    def __init__(self, templates: Iterable[tuple[Node, int]], terms: Iterable[tuple[str, int]] = ()) -> None:
        self._positions = 0
        self._epsilon: dict[int, list[int]] = {}
        self._by_character: dict[int, dict[str, list[int]]] = {}
        self._by_exclusion: dict[int, list[tuple[Chars, int]]] = {}
        self._label: dict[int, int] = {}
        root = self._position()
        self._wire_terms(terms, root)
        for node, label in templates:
            accept = self._position()
            self._label[accept] = label
            self._wire(node, root, accept)
        self._closures: dict[int, frozenset[int]] = {}
        self._states: dict[frozenset[int], State] = {}
        self.start = self._state(self._closure(root))

    def step(self, state: State, character: str) -> State | None:
        """The state after one more character, or None when nothing can match any more."""
        try:
            return state.next[character]
        except KeyError:
            return self._derive(state, character)

    def matches(self, text: str) -> list[tuple[int, int, int]]:  # noqa: C901 - the inner loop, kept in one piece
        """The longest match from every start, as (start, end, label)."""
        found: dict[tuple[int, int], int] = {}
        begin = self.start.next
        derive = self._derive
        live: list[tuple[int, State]] = []
        for index, character in enumerate(text):
            if live:
                advanced: list[tuple[int, State]] = []
                for origin, state in live:
                    try:
                        after = state.next[character]
                    except KeyError:
                        after = derive(state, character)
                    if after is not None:
                        for label in after.accepts:
                            found[origin, label] = index + 1
                        if after.alive:
                            advanced.append((origin, after))
                live = advanced
            try:
                fresh = begin[character]
            except KeyError:
                fresh = derive(self.start, character)
                begin = self.start.next
            if fresh is not None:
                for label in fresh.accepts:
                    found[index, label] = index + 1
                if fresh.alive:
                    live.append((index, fresh))
        return [(start, end, label) for (start, label), end in found.items()]

    def _position(self) -> int:
        self._positions += 1
        return self._positions - 1

    def _leap(self, entry: int, leave: int) -> None:
        self._epsilon.setdefault(entry, []).append(leave)

    def _wire_terms(self, terms: Iterable[tuple[str, int]], root: int) -> None:
        """A trie: thousands of spellings share most of their beginnings."""
        trie: dict[tuple[int, str], int] = {}
        for term, label in terms:
            at = root
            for character in term:
                after = trie.get((at, character))
                if after is None:
                    after = trie[at, character] = self._position()
                    self._by_character.setdefault(at, {}).setdefault(character, []).append(after)
                at = after
            accept = self._position()
            self._label[accept] = label
            self._leap(at, accept)

    def _wire(self, node: Node, entry: int, leave: int) -> None:  # noqa: C901, PLR0912 - one case a node
        match node:
            case Chars(members, negated):
                if negated:
                    self._by_exclusion.setdefault(entry, []).append((node, leave))
                else:
                    edges = self._by_character.setdefault(entry, {})
                    for member in members:
                        edges.setdefault(member, []).append(leave)
            case Chain(parts):
                at = entry
                for part in parts[:-1]:
                    after = self._position()
                    self._wire(part, at, after)
                    at = after
                if parts:
                    self._wire(parts[-1], at, leave)
                else:
                    self._leap(at, leave)
            case Choice(options):
                for option in options:
                    self._wire(option, entry, leave)
            case Repeat(body, least, most):
                at = entry
                for round_ in range(most):
                    if round_ >= least:
                        self._leap(at, leave)
                    after = self._position()
                    self._wire(body, at, after)
                    at = after
                self._leap(at, leave)

    def _closure(self, position: int) -> frozenset[int]:
        known = self._closures.get(position)
        if known is None:
            reached = {position}
            todo = [position]
            while todo:
                for other in self._epsilon.get(todo.pop(), ()):
                    if other not in reached:
                        reached.add(other)
                        todo.append(other)
            known = self._closures[position] = frozenset(reached)
        return known

    def _state(self, positions: frozenset[int]) -> State:
        state = self._states.get(positions)
        if state is None:
            accepts = tuple(sorted({self._label[p] for p in positions if p in self._label}))
            alive = any(p in self._by_character or p in self._by_exclusion for p in positions)
            state = self._states[positions] = State(positions, accepts, alive)
        return state

    def _derive(self, state: State, character: str) -> State | None:
        if len(self._states) > _MAX_STATES:
            self.start.next.clear()
            self._states = {self.start.positions: self.start}
        reached: set[int] = set()
        for position in state.positions:
            edges = self._by_character.get(position)
            for target in edges.get(character, ()) if edges else ():
                reached |= self._closure(target)
            for chars, target in self._by_exclusion.get(position, ()):
                if chars.accepts(character):
                    reached |= self._closure(target)
        after = self._state(frozenset(reached)) if reached else None
        state.next[character] = after
        return after
