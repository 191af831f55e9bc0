"""Chooses the next sentence of a script: which phrases are possible, which is best, what was said already.

Nothing is said twice. The words that phrases are filled with are in words.py; order and length of the script
are the composer's affair.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec

from .likeness import trigrams
from .material import Material
from .phrases import CONSUMABLE, DURABLE, GENERIC, NO_PRODUCT, Phrase, PhraseBook
from .voice import Voice
from .words import POINT_ELEMENTS, Supplies

OPENINGS: Final = frozenset(
    {
        "greet",
        "stay_open",
        "intro_open",
        "points_open",
        "promo_open",
        "push_open",
        "qa_open",
        "bye_open",
        "video_open",
        "note_open",
    }
)
_NAMED: Final = frozenset({"greet", "stay_open", "bye_open"})
_CONSUMED: Final = frozenset({"食品", "个护"})
_DOUBLED: Final = (
    ("前的时候", "前"),
    ("之后的时候", "之后"),
    ("晚上的时候", "晚上"),
    ("路上的时候", "路上"),
    ("的时候的时候", "的时候"),
    ("平时平时", "平时"),
    ("的的", "的"),
    ("。。", "。"),
)


class Sentence(msgspec.Struct, frozen=True):
    """A chosen sentence and the phrase it was made from."""

    element: str
    text: str
    phrase: Phrase


@dataclass(slots=True)
class Chooser:
    """The sentences of one script, one by one."""

    book: PhraseBook
    material: Material
    voice: Voice
    rng: Random
    used_phrases: set[str] = field(default_factory=set)
    starts: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)  # trigrams of the sentences so far
    supplies: Supplies = field(init=False)
    old: frozenset[str] = frozenset()  # trigrams of the versions to stay away from
    old_starts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        avoid = self.material.avoid
        self.supplies = Supplies(self.material, self.rng)
        self.old = frozenset().union(*map(trigrams, avoid)) if avoid else frozenset()
        self.old_starts = frozenset("".join(t.split())[:5] for t in avoid)

    def pick(self, element: str, cap: float, *, must: bool = False, naming: str = "") -> Sentence | None:
        """The best fitting sentence of an element within `cap` characters; with `must` the shortest one when
        none fits. `naming` demands that the sentence contains a text.
        """
        shortest: Sentence | None = None
        for phrase, values in self._candidates(element):
            text = self.voice.address_viewer(
                phrase.render(values, particle=self.rng.random() < self.voice.particles)
            )
            for doubled, plain in _DOUBLED:
                text = text.replace(doubled, plain)
            if (naming and naming not in text) or any(f in text for f in self.material.forbidden):
                continue
            if self._echoes(text, element):
                continue
            sentence = Sentence(element, text, phrase)
            if len(text) <= cap:
                self.remember(sentence)
                return sentence
            if shortest is None or len(text) < len(shortest.text):
                shortest = sentence
        if must and shortest is not None:
            self.remember(shortest)
            return shortest
        return None

    def remember(self, sentence: Sentence) -> None:
        self.used_phrases.add(sentence.phrase.text)
        self.starts.add(sentence.text[:3])
        self.said |= trigrams(sentence.text)
        self.supplies.spend(sentence.phrase, sentence.element)

    def forget(self, sentence: Sentence) -> None:
        """Frees the opening and wording of a sentence that is about to be replaced."""
        self.used_phrases.discard(sentence.phrase.text)
        self.starts.discard(sentence.text[:3])
        self.said -= trigrams(sentence.text)

    def opened_before(self, element: str, text: str) -> bool:
        return element in OPENINGS and text[:5] in self.old_starts

    def _candidates(self, element: str) -> Iterator[tuple[Phrase, dict[str, str]]]:
        fact = self.supplies.fact(element) if self.possible(element) else None
        if fact is None:
            return
        values = self.supplies.values() | fact
        phrases = [p for p in self._phrases(element) if self.usable(p, values)]
        keyed = sorted((self._cost(p, element, values), i) for i, p in enumerate(phrases))
        for _, i in keyed:
            yield phrases[i], values

    def _phrases(self, element: str) -> Iterable[Phrase]:
        """The bank of an element, as far as what was given decides which one."""
        book, m = self.book, self.material
        match element:
            case "flavour":
                phrases: Iterable[Phrase] = [p for s in m.styles for p in book.flavours[s]]
            case "event":
                phrases = book.event_lines(m.event) if m.event else ()
            case "point":
                point = self.supplies.points[0] if self.supplies.points else ""
                frames = (*book.elements["point_lead"], *book.elements["point_short"])
                phrases = (*book.expansions(point), *frames)
            case "price":
                phrases = book.elements["price" if m.price else "price_open"]
            case "scarcity":
                stocked = bool(self.supplies.facts.get("stock"))
                phrases = book.elements["scarcity_stock" if stocked else "scarcity_time"]
            case "fact":
                key = (self.supplies.fact(element) or {}).get("k", "")
                phrases = book.spoken_facts.get(key) or book.elements["fact"]
            case "own" if not m.first_person:
                phrases = ()
            case _:
                phrases = book.elements[element]
        return phrases

    def possible(self, element: str) -> bool:
        """Whether there is something to say of `element` in this voice."""
        m = self.material
        if element in POINT_ELEMENTS:
            return bool(self.supplies.points)
        if element == "pain":
            return "高端" not in m.styles  # worries do not go with a voice of quiet luxury
        if element == "points_sum":
            return 2 <= len(m.points) <= 5
        return element != "price" or bool(m.price) or m.scene.name == "促销话术"

    def usable(self, phrase: Phrase, values: dict[str, str]) -> bool:
        """Whether a phrase fits scene, style and product and `values` fill it."""
        m = self.material
        if phrase.text in self.used_phrases or not all(values.get(slot) for slot in phrase.slots):
            return False
        allowed = {
            GENERIC: True,
            NO_PRODUCT: not m.product,
            CONSUMABLE: m.knowledge.name in _CONSUMED,
            DURABLE: bool(m.product) and m.knowledge.name not in _CONSUMED,
            "亲和": not m.styles or "亲和" in m.styles,
        }.get(phrase.tag, phrase.tag in m.styles)
        if not allowed:
            return False
        if m.scene.form != "直播带货" and phrase.live_only:
            return False
        return not (m.scene.form == "种草文案" and phrase.screen_only)

    def _cost(self, phrase: Phrase, element: str, values: dict[str, str]) -> float:
        """Lower is chosen first: chance, moved by style, names and novelty."""
        m = self.material
        cost = self.rng.random()
        if phrase.tag in m.styles:
            cost -= 0.45
        elif phrase.tag == NO_PRODUCT:
            cost -= 0.8
        if m.formal and phrase.casual:
            cost += 1.0
        if m.formal and phrase.slots & {"pain", "spain"}:
            cost += 0.7
        if element == "point":
            cost += self._point_cost(phrase)
        cost += self._name_cost(phrase, element)
        return cost + self._staleness(phrase, element, values) if self.old else cost

    def _name_cost(self, phrase: Phrase, element: str) -> float:
        """The host's name belongs into greetings; the product's is said early, then not too often."""
        m = self.material
        cost = 0.0
        if element in OPENINGS and m.name and "name" in phrase.slots:
            cost -= 2.0 if element in _NAMED else 0.3
        if m.product and phrase.slots & {"this", "product"}:
            if element in OPENINGS or not self.supplies.mentions:
                cost -= 0.3
            elif self.supplies.mentions > 1 + m.target / (160 if len(m.product) > 7 else 90):
                cost += 1.2
        return cost

    def _staleness(self, phrase: Phrase, element: str, values: dict[str, str]) -> float:
        """How much of the sentence earlier versions said already."""
        text = self.voice.address_viewer(phrase.render(values, particle=False))
        grams = trigrams(text)
        stale = 4.0 * len(grams & self.old) / max(1, len(grams))
        return stale + 6.0 if self.opened_before(element, text) else stale

    def _point_cost(self, phrase: Phrase) -> float:
        """A known meaning is spoken out; bare frames are for what is unknown, or for want of room."""
        if phrase.bare:
            return 1.2
        return 0.0 if phrase.origin == "point_lead" else -1.0

    def _echoes(self, text: str, element: str) -> bool:
        """Whether a sentence sounds like one already said in this script."""
        if text[:3] in self.starts:
            return True
        if not self.said:
            return False
        given = trigrams("".join((self.material.product, self.material.address, *self.material.points)))
        grams = trigrams(text) - given
        limit = 0.5 if element in {"points_sum", "reason", "price"} else 0.3
        return bool(grams) and len(grams & self.said) > limit * len(grams)
