"""Finds the hits of the lexicon's rules in one sentence: terms, templates, allow spans, contexts.

Terms and allow terms are one Aho-Corasick automaton (pyahocorasick); templates run on the prefix automaton.
It works on normalised text and knows neither products nor what is done about a hit.
"""

from __future__ import annotations

import ahocorasick
import msgspec

from .automaton import PrefixAutomaton
from .lexicon import Lexicon, Rule
from .templates import Words

_ALLOW = -1


class Hit(msgspec.Struct, frozen=True):
    """A rule that holds for [start, end) of the normalised sentence."""

    start: int
    end: int
    rule: Rule


class Matcher:
    """The compiled search of one lexicon. `blocking` is the automaton of everything that may block."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._rules = lexicon.rules
        self._contexts = lexicon.contexts
        self._terms = ahocorasick.Automaton()
        for term in {*lexicon.terms, *lexicon.allow_terms}:
            labels = lexicon.terms.get(term, ())
            if term in lexicon.allow_terms:
                labels = (_ALLOW, *labels)
            self._terms.add_word(term, (len(term), labels))
        self._searchable = len(self._terms) > 0
        self._terms.make_automaton()
        self._templates = PrefixAutomaton(
            [*lexicon.templates, *((node, _ALLOW) for node in lexicon.allow_templates)]
        )
        self.blocking = PrefixAutomaton(
            [
                *((node, label) for node, label in lexicon.templates if self._rules[label].may_block),
                *((Words(terms), label) for label, terms in self._blocking_terms(lexicon).items()),
            ]
        )

    def hits(self, sentence: str, category: str) -> list[Hit]:
        """Every hit in a normalised sentence that no allow span and no context excuses, in order."""
        allowed: list[tuple[int, int]] = []
        found: list[tuple[int, int, int]] = []
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
        kept = self._widest(found, allowed, sentence, category)
        excused = [hit for hit in kept if self._excused(hit, sentence, category)]
        if not excused:
            return kept
        return [
            hit
            for hit in kept
            if not any(
                e.start <= hit.start and hit.end <= e.end and e.rule.type == hit.rule.type for e in excused
            )
        ]

    def _widest(
        self, found: list[tuple[int, int, int]], allowed: list[tuple[int, int]], sentence: str, category: str
    ) -> list[Hit]:
        """The hits that hold here and are not allowed, without those inside another of their rule."""
        kept: list[Hit] = []
        reach: dict[int, int] = {}  # by rule: the end of its widest hit so far
        for start, end, label in sorted(found, key=_widest_first):
            rule = self._rules[label]
            if (
                end > reach.get(label, 0)
                and _holds_in(rule, category)
                and not any(a <= start and end <= b for a, b in allowed)
                and not _cuts_a_word(sentence, start, end)
            ):
                reach[label] = end
                kept.append(Hit(start, end, rule))
        return kept

    def _blocking_terms(self, lexicon: Lexicon) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for term, labels in lexicon.terms.items():
            for label in labels:
                if self._rules[label].may_block:
                    found.setdefault(label, []).append(term)
        return found

    def _excused(self, hit: Hit, sentence: str, category: str) -> bool:
        contexts = self._contexts
        required = hit.rule.requires
        if required and not any(contexts[n].holds(sentence, hit.start, hit.end, category) for n in required):
            return True
        return any(contexts[n].holds(sentence, hit.start, hit.end, category) for n in hit.rule.unless)


def _widest_first(found: tuple[int, int, int]) -> tuple[int, int]:
    return found[0], -found[1]


def _holds_in(rule: Rule, category: str) -> bool:
    """A rule of one trade also holds for goods of which the trade is not known."""
    return not rule.categories or not category or category in rule.categories


def _cuts_a_word(sentence: str, start: int, end: int) -> bool:
    """Whether a hit begins or ends in the middle of a Latin word (`sb` in `usb`)."""
    return (start > 0 and _latin(sentence[start]) and _latin(sentence[start - 1])) or (
        end < len(sentence)
        and _latin(sentence[end], digits=True)
        and _latin(sentence[end - 1], digits=True)
        and (_latin(sentence[end]) == _latin(sentence[end - 1]))
    )


def _latin(character: str, *, digits: bool = False) -> bool:
    return "a" <= character <= "z" or (digits and "0" <= character <= "9")
