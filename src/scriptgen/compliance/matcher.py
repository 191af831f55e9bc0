"""Finds the hits of the lexicon's rules in one sentence: terms, templates, allow spans, contexts.

Terms and allow terms are one Aho-Corasick automaton (pyahocorasick); templates run on the prefix automaton.
It works on normalised text and knows neither products nor what is done about a hit.
"""

from __future__ import annotations

import ahocorasick
import msgspec

from .automaton import Kept, PrefixAutomaton
from .context import Context, Excuses, joined
from .lexicon import Lexicon, Rule
from .normalise import Normalised
from .places import beginnings
from .templates import Node, Words

_ALLOW = -1
#: Start, end and label of a match.
_Found = tuple[int, int, int]


class Hit(msgspec.Struct, frozen=True):
    """A rule that holds for [start, end) of the normalised sentence."""

    start: int
    end: int
    rule: Rule


class Matcher:
    """The compiled search of one lexicon. `blocking` is the automaton of everything that may block;
    `only_blocking` tells that nothing else is ever found.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._rules = lexicon.rules
        excuses = joined(lexicon.contexts[name] for name in lexicon.shared_unless)
        self._excuses = [self._excuses_of(rule, lexicon, excuses) for rule in lexicon.rules]
        self._demands = [
            Excuses(lexicon.contexts[name] for name in rule.requires) if rule.requires else None
            for rule in lexicon.rules
        ]
        self._kinds = [(rule.type, rule.stock_claim) for rule in lexicon.rules]
        self._categories = [rule.categories for rule in lexicon.rules]
        self._disguised = [rule.disguised for rule in lexicon.rules]
        self.only_blocking = all(rule.may_block for rule in lexicon.rules)
        self._terms = ahocorasick.Automaton()
        kept: dict[tuple[int, tuple[int, ...]], tuple[int, tuple[int, ...]]] = {}  # alike for many terms
        for term in {*lexicon.terms, *lexicon.allow_terms}:
            labels = lexicon.terms.get(term, ())
            if term in lexicon.allow_terms:
                labels = (_ALLOW, *labels)
            value = (len(term), labels)
            self._terms.add_word(term, kept.setdefault(value, value))
        self._searchable = len(self._terms) > 0
        self._terms.make_automaton()
        blocking: list[tuple[Node, int]] = []
        others: list[tuple[Node, int]] = [(node, _ALLOW) for node in lexicon.allow_templates]
        for node, label in lexicon.templates:
            (blocking if self._rules[label].may_block else others).append((node, label))
        terms = [(Words(terms), label) for label, terms in self._blocking_terms(lexicon).items()]
        shared, cache = beginnings(blocking), Kept()
        self._templates = PrefixAutomaton([*shared, *beginnings(others)], lexicon.spellings, cache)
        self.blocking = PrefixAutomaton([*shared, *beginnings(terms)], lexicon.spellings, cache)

    def hits(self, normalised: Normalised, category: str) -> list[Hit]:
        """Every hit in one sentence that no allow span and no context excuses, in order."""
        sentence = normalised.text
        allowed: list[tuple[int, int]] = []
        found: list[_Found] = []
        if self._searchable:
            for last, (length, labels) in self._terms.iter(sentence):
                start, end = last + 1 - length, last + 1
                for label in labels:
                    if label == _ALLOW:
                        allowed.append((start, end))
                    else:
                        found.append((start, end, label))
        for start, end, label in self._templates.matches(sentence):
            if label == _ALLOW:
                allowed.append((start, end))
            else:
                found.append((start, end, label))
        if not found:
            return []
        kept = self._widest(found, allowed, normalised, category)
        excused = [hit for hit in kept if self._excused(hit, sentence, category)]
        if not excused:
            return [Hit(start, end, self._rules[label]) for start, end, label in kept]
        return [
            Hit(start, end, self._rules[label])
            for start, end, label in kept
            if not any(
                a <= start and end <= b and self._kinds[other] == self._kinds[label]
                for a, b, other in excused
            )
        ]

    def _widest(
        self, found: list[_Found], allowed: list[tuple[int, int]], normalised: Normalised, category: str
    ) -> list[_Found]:
        """The hits that hold here and are not allowed, without those inside a wider one of their kind: it
        would stand for them when it counts, and excuse them when it is excused.
        """
        sentence = normalised.text
        kept: list[_Found] = []
        reach: dict[tuple[str, bool], tuple[int, int]] = {}  # by kind: the widest hit so far
        for start, end, label in sorted(found, key=_widest_first):
            kind = self._kinds[label]
            widest = reach.get(kind)
            if widest is not None and end <= widest[1] and (start, end) != widest:
                continue
            categories, demands = self._categories[label], self._demands[label]
            if (
                (not categories or not category or category in categories)
                and not any(a <= start and end <= b for a, b in allowed)
                and not _cuts_a_word(normalised, start, end)
                and not (self._disguised[label] and self._plainly_written(normalised, start, end))
                and (demands is None or demands.hold(sentence, start, end, category))
            ):
                reach[kind] = start, end
                kept.append((start, end, label))
        return kept

    def _plainly_written(self, normalised: Normalised, start: int, end: int) -> bool:
        """Whether a hit is a term as the lexicon has it, with nothing between its characters."""
        return normalised.text[start:end] in self._terms and all(
            normalised.adjoin(at) for at in range(start + 1, end)
        )

    def _blocking_terms(self, lexicon: Lexicon) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for term, labels in lexicon.terms.items():
            for label in labels:
                if self._rules[label].may_block:
                    found.setdefault(label, []).append(term)
        return found

    def _excused(self, found: _Found, sentence: str, category: str) -> bool:
        start, end, label = found
        return self._excuses[label].hold(sentence, start, end, category)

    def _excuses_of(self, rule: Rule, lexicon: Lexicon, shared: Context) -> Excuses:
        own = rule.unless
        if set(lexicon.shared_unless) <= set(own):
            own = tuple(name for name in own if name not in lexicon.shared_unless)
            return Excuses([*(lexicon.contexts[name] for name in own), shared])
        return Excuses(lexicon.contexts[name] for name in own)


def _widest_first(found: _Found) -> tuple[int, int]:
    return found[0], -found[1]


def _cuts_a_word(normalised: Normalised, start: int, end: int) -> bool:
    """Whether a hit begins or ends in the middle of a Latin word (`sb` in `usb`, not in `s b 的`)."""
    text = normalised.text
    if start > 0 and _latin(text[start]) and _latin(text[start - 1]) and normalised.adjoin(start):
        return True
    if end == len(text) or not _latin(text[end], digits=True) or not _latin(text[end - 1], digits=True):
        return False
    return _latin(text[end]) == _latin(text[end - 1]) and normalised.adjoin(end)


def _latin(character: str, *, digits: bool = False) -> bool:
    return "a" <= character <= "z" or (digits and "0" <= character <= "9")
