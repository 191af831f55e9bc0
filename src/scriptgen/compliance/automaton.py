"""Which templates match where, and which could still be completed: one automaton over all templates.

Its states are made on demand and kept. Unlike a plain multi-pattern search it also tells, after every
character, the earliest start of a match that is still forming: what the streaming guard must hold back.
It knows nothing of rules, severities or offsets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from operator import add
from typing import Final

from .places import BetweenPlace, GapPlace, Place, SoundPlace, WordPlace
from .templates import Spellings

#: Transitions kept, some 0.5 KB each with their states and places; text that makes more of them starts the
#: caches afresh.
_MAX_TRANSITIONS: Final = 60_000
_SILENCE: Final[tuple[tuple[str, ...], AbstractSet[str]]] = ((), frozenset())


class State:
    """The places a text has reached. `accepts` are the labels of the templates complete here; `alive` tells
    whether a longer match may follow; `next` caches the transitions (None: every match dies).
    """

    __slots__ = ("accepts", "alive", "gaps", "next", "sounds", "words")

    def __init__(self, reached: Iterable[Place]) -> None:
        words: list[tuple[Collection[str], WordPlace]] = []
        gaps: list[GapPlace] = []
        sounds: list[SoundPlace] = []
        labels: list[int] = []
        between: list[BetweenPlace] = []
        for place in reached:
            if isinstance(place, BetweenPlace):
                between.append(place)
            elif isinstance(place, WordPlace):
                words.append((place.firsts, place))
            elif isinstance(place, GapPlace):
                gaps.append(place)
            else:
                sounds.append(place)
        for place in between:
            unfolded = place.unfolded or place.unfold()
            words += unfolded.words
            gaps += unfolded.gaps
            labels += unfolded.labels
            if unfolded.between:
                between += [each for each in unfolded.between if each not in between]
        self.words = tuple(words)
        self.gaps = tuple(gaps)
        self.sounds = tuple(sounds)
        self.accepts = tuple(sorted(set(labels)))
        self.alive = bool(words or gaps or sounds)
        self.next: dict[str, State | None] = {}


class Kept:
    """Counts what some automata keep. They share places, so they forget together: what one had unfolded anew
    the other would hold a second time.
    """

    __slots__ = ("_automata", "_count")

    def __init__(self) -> None:
        self._automata: list[PrefixAutomaton] = []
        self._count = 0

    def join(self, automaton: PrefixAutomaton) -> None:
        self._automata.append(automaton)

    def add_one(self) -> None:
        if self._count >= _MAX_TRANSITIONS:
            self._count = 0
            places = dict.fromkeys(place for automaton in self._automata for place in automaton.forget())
            for place in places:
                place.begin_again()
        self._count += 1


class PrefixAutomaton:
    """Begins at the places before its templates, which other automata may share with what is `kept`; `start`
    and `step` walk it, one character at a time.
    """

    def __init__(self, places: Iterable[WordPlace], spellings: Spellings, kept: Kept) -> None:
        self._places = tuple(places)
        self._sounds = spellings.sounds
        self._noise = spellings.noise
        self._kept = kept
        self.start = State(self._places)
        self._states: dict[tuple[Place, ...], State] = {}
        # What states have in common is kept once: a character leads out of many.
        self._characters: dict[str, str] = {}
        self._barren: set[str] = set()  # pairs of characters from whose first nothing matches
        kept.join(self)

    def forget(self) -> tuple[WordPlace, ...]:
        """Forget all states; returns the places it begins at."""
        self._states.clear()
        self._characters.clear()
        self.start.next.clear()
        return self._places

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
        self._kept.add_one()
        reached: dict[Place, None] = {}
        for firsts, place in state.words:
            if character in firsts:
                for each in place.after(character):
                    reached[each] = None
        for gap in state.gaps:
            if character not in gap.members:
                for each in gap.after():
                    reached[each] = None
        if state.sounds or character in self._sounds:
            self._hear(state, character, reached)
        following: State | None = None
        if reached:
            places = tuple(reached)
            following = self._states.get(places)
            if following is None:
                following = self._states[places] = State(places)
        state.next[self._characters.setdefault(character, character)] = following
        return following

    def _hear(self, state: State, character: str, reached: dict[Place, None]) -> None:
        """Add the places reached where `character` is, or goes on with, another spelling."""
        heard = [(place, character) for _, place in state.words if place.spelled]
        heard += [(place, sound + character) for place, sound in state.sounds]
        for place, sound in heard:
            complete, begun = self._sounds.get(sound, _SILENCE)
            noisy = place.within and sound[0] in self._noise
            if noisy and len(sound) == 2:  # the character itself, after noise
                complete = (*complete, character)
            for written in complete:
                if written in place.firsts:
                    for each in place.after(written):
                        reached[each] = None
            if (noisy and len(sound) == 1) or not begun.isdisjoint(place.firsts):
                reached[SoundPlace(place, sound)] = None
