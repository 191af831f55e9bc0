"""Chooses the next sentence of a script: which phrases are possible, which is best, what was said already.

Keeps the words that phrases are filled with, so that nothing is said twice. Order and length of the script
are the composer's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Final

import msgspec

from .likeness import trigrams
from .material import Material
from .phrases import CONSUMABLE, GENERIC, NO_PRODUCT, Phrase, PhraseBook
from .voice import Voice

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
_POINT_ELEMENTS: Final = frozenset({"point", "reason", "tease", "recall"})
_NAMED: Final = frozenset({"greet", "stay_open", "bye_open"})
_NOT_GIFTS: Final = frozenset({"个护", "母婴", "家居", "其他"})
_CONSUMED: Final = frozenset({"食品", "个护"})
_DOUBLED: Final = (("前的时候", "前"), ("之后的时候", "之后"), ("的的", "的"), ("。。", "。"))
_FACT_KINDS: Final = {
    "offer": ("offer",),
    "qa_fact": ("service", "plain"),
    "fact": ("plain", "service"),
    "scarcity": ("stock", "time"),
}


class Sentence(msgspec.Struct, frozen=True):
    """A chosen sentence and the phrase it was made from."""

    element: str
    text: str
    phrase: Phrase


@dataclass(slots=True)
class _Supply:
    """Words of one kind, each given out once; words that earlier versions used come last."""

    words: list[str]

    def peek(self) -> str:
        return self.words[0] if self.words else ""

    def second(self) -> str:
        return self.words[1] if len(self.words) > 1 else ""


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
    mentions: int = 0
    supplies: dict[str, _Supply] = field(default_factory=dict)
    pending_points: list[str] = field(default_factory=list)
    pending_facts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    old: frozenset[str] = frozenset()  # trigrams of the versions to stay away from
    old_starts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        m, k = self.material, self.material.knowledge
        self.old = frozenset().union(*map(trigrams, m.avoid)) if m.avoid else frozenset()
        self.old_starts = frozenset("".join(t.split())[:5] for t in m.avoid)
        old_text = "\n".join(m.avoid)
        kinds = {
            "pain": k.pains,
            "moment": k.moments,
            "show": k.shows,
            "wish": k.wishes,
            "crowd": m.crowds,
            "tip": k.tips,
            "q": tuple(f"{q}\x1f{a}" for q, a in k.questions),
        }
        for kind, words in kinds.items():
            order = [w for w in words if not any(f in w for f in m.forbidden)]
            self.rng.shuffle(order)
            order.sort(key=lambda w: w.split("\x1f")[0] in old_text)
            self.supplies[kind] = _Supply(order)
        self.pending_points = list(m.points)
        self.pending_facts = {kind: list(pairs) for kind, pairs in m.facts.items()}

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
        slots = sentence.phrase.slots
        self.mentions += bool(slots & {"this", "product"})
        if "spain" in slots and self.supplies["pain"].words:
            del self.supplies["pain"].words[0]
        for kind in ("pain", "moment", "show", "wish", "crowd", "tip", "q"):
            if kind in slots and self.supplies[kind].words:
                drop = 2 if f"{kind}2" in slots else 1
                del self.supplies[kind].words[:drop]
        if sentence.element in _POINT_ELEMENTS and "point" in slots and self.pending_points:
            self.pending_points.pop(0)
        if "v" in slots:
            self._spend_fact(sentence.element)

    def forget(self, sentence: Sentence) -> None:
        """Frees the opening and wording of a sentence that is about to be replaced."""
        self.used_phrases.discard(sentence.phrase.text)
        self.starts.discard(sentence.text[:3])
        self.said -= trigrams(sentence.text)

    def opened_before(self, element: str, text: str) -> bool:
        return element in OPENINGS and text[:5] in self.old_starts

    def _spend_fact(self, element: str) -> None:
        for kind in _FACT_KINDS.get(element, ()):
            if self.pending_facts.get(kind):
                self.pending_facts[kind].pop(0)
                return

    def _candidates(self, element: str) -> Iterator[tuple[Phrase, dict[str, str]]]:
        extra = self._extra_slots(element)
        if extra is None:
            return
        values = self._values() | extra
        phrases = [p for p in self._phrases(element) if self._usable(p, values)]
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
                point = self.pending_points[0] if self.pending_points else ""
                frames = (*book.elements["point_lead"], *book.elements["point_short"])
                phrases = (*book.expansions(point), *frames)
            case "price":
                phrases = book.elements["price" if m.price else "price_open"]
            case "scarcity":
                stocked = bool(self.pending_facts.get("stock"))
                phrases = book.elements["scarcity_stock" if stocked else "scarcity_time"]
            case "fact":
                key = next(
                    (k for kind in _FACT_KINDS["fact"] for k, _ in self.pending_facts.get(kind, ())), ""
                )
                phrases = book.spoken_facts.get(key) or book.elements["fact"]
            case "own" if not m.first_person:
                phrases = ()
            case _:
                phrases = book.elements[element]
        return phrases

    def _extra_slots(self, element: str) -> dict[str, str] | None:
        """Values that only this element fills; None when what it needs was not given or is used up."""
        if not self._possible(element):
            return None
        kinds = _FACT_KINDS.get(element)
        if kinds is None:
            return {}
        pairs = [pair for kind in kinds for pair in self.pending_facts.get(kind, ())]
        return {"k": pairs[0][0], "v": pairs[0][1]} if pairs else None

    def _possible(self, element: str) -> bool:
        m = self.material
        if element in _POINT_ELEMENTS:
            return bool(self.pending_points)
        if element == "pain":
            return "高端" not in m.styles  # worries do not go with a voice of quiet luxury
        if element == "points_sum":
            return 2 <= len(m.points) <= 5
        return element != "price" or bool(m.price) or m.scene.name == "促销话术"

    def _values(self) -> dict[str, str]:
        m, k = self.material, self.material.knowledge
        goods = k.goods
        product = m.product or goods
        if self.mentions:
            product = _head(product)
        if not m.product:
            this = f"这些{goods}"
        elif self.mentions % 3 == 1 and not m.formal:
            this = f"这{k.measure}"
        else:
            this = f"这{k.measure}{product}"
        pain = self.supplies["pain"].peek()
        show2 = self.supplies["show"].second()
        question, _, answer = self.supplies["q"].peek().partition("\x1f")
        point = self.pending_points[0] if self.pending_points else (m.points[0] if m.points else "")
        return {
            "address": m.address,
            "viewer": m.address.removesuffix("们").removeprefix("各位") or m.address,
            "name": m.name,
            "this": this,
            "product": product,
            "goods": goods,
            "field": k.name if k.name != "其他" else "好物",
            "m": k.measure,
            "use": k.use,
            "event": m.event,
            "gift": "" if k.name in _NOT_GIFTS else product,
            "treat": product if k.name == "食品" else "",
            "price": m.price,
            "point": point,
            "points": "、".join(m.points[:4]),
            "pain": pain,
            "spain": "" if re.search(r"，|[的了]$", pain) else pain,
            "moment": self.supplies["moment"].peek(),
            "moment2": self.supplies["moment"].second(),
            "show": self.supplies["show"].peek(),
            "show2": show2 if "和" not in f"{self.supplies['show'].peek()}{show2}" else "",
            "wish": self.supplies["wish"].peek(),
            "crowd": self.supplies["crowd"].peek(),
            "tip": self.supplies["tip"].peek(),
            "q": question,
            "a": answer,
        }

    def _usable(self, phrase: Phrase, values: dict[str, str]) -> bool:
        m = self.material
        if phrase.text in self.used_phrases or not all(values.get(slot) for slot in phrase.slots):
            return False
        allowed = {
            GENERIC: True,
            NO_PRODUCT: not m.product,
            CONSUMABLE: m.knowledge.name in _CONSUMED,
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
            if element in OPENINGS or not self.mentions:
                cost -= 0.3
            elif self.mentions > 1 + m.target / (160 if len(m.product) > 7 else 90):
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


def _head(product: str) -> str:
    """What a product is called once it was introduced: the Chinese tail of a mixed name, else the name."""
    match = re.search(r"^[A-Za-z0-9][^一-龥]*([一-龥]{2,})$", product)
    return match[1] if match else product
