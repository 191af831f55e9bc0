"""The words that phrases are filled with, each given out once, and the points and facts still unsaid.

Which phrase takes them is the chooser's affair.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random
from typing import Final

from .material import Material
from .phrases import Phrase

POINT_ELEMENTS: Final = frozenset({"point", "reason", "tease", "recall"})
#: The kinds of facts an element may speak of, the better one first.
FACT_KINDS: Final = {
    "offer": ("offer",),
    "qa_fact": ("service", "plain"),
    "fact": ("plain", "service"),
    "scarcity": ("stock", "time"),
}
_KINDS: Final = ("pain", "moment", "show", "wish", "crowd", "tip", "q")
#: Nobody gives these to a mother or a sweetheart.
_FOR_CHILDREN: Final = re.compile(r"儿童|宝宝|婴儿|学生")
_NOT_GIFTS: Final = frozenset({"个护", "母婴", "家居", "其他"})
#: Measure words that may stand for the product alone (这支, but not 这口).
_STANDS_ALONE: Final = frozenset("款支件条双瓶盒套本台个把副只辆份")
#: Verbs of use that need more than an object: 上它 says nothing.
_PLAIN_USE: Final = {
    "上": "用",
    "画": "用",
    "充": "用",
    "刷": "用",
    "洗": "用",
    "睡": "用",
    "喂": "用",
    "学": "看",
}


@dataclass(slots=True)
class Supplies:
    """What is left to say of `material`; words that earlier versions used come last."""

    material: Material
    rng: Random
    mentions: int = 0  # sentences that have named the product
    words: dict[str, list[str]] = field(default_factory=dict)
    points: list[str] = field(default_factory=list)
    facts: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        m, k = self.material, self.material.knowledge
        old = "\n".join(m.avoid)
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
            order.sort(key=lambda w: w.split("\x1f")[0] in old)
            self.words[kind] = order
        self.points = list(m.points)
        self.facts = {kind: list(pairs) for kind, pairs in m.facts.items()}

    def spend(self, phrase: Phrase, element: str) -> None:
        """Takes out what a sentence of `phrase` has said."""
        slots = phrase.slots
        self.mentions += bool(slots & {"this", "product"})
        if "spain" in slots:
            del self.words["pain"][:1]
        for kind in _KINDS:
            if kind in slots:
                del self.words[kind][: 2 if f"{kind}2" in slots else 1]
        if element in POINT_ELEMENTS and "point" in slots and self.points:
            self.points.pop(0)
        if "v" in slots:
            kind = next((kind for kind in FACT_KINDS.get(element, ()) if self.facts.get(kind)), "")
            if kind:
                self.facts[kind].pop(0)

    def fact(self, element: str) -> dict[str, str] | None:
        """The fact that `element` would speak of; {} where it speaks of none, None where none is left."""
        kinds = FACT_KINDS.get(element)
        if kinds is None:
            return {}
        key, value = next((pair for kind in kinds for pair in self.facts.get(kind, ())), ("", ""))
        return {"k": key, "v": value} if value else None

    def values(self) -> dict[str, str]:
        """Every slot with the word it would get now; "" where there is none."""
        m, k = self.material, self.material.knowledge
        goods = k.goods
        product = m.product or goods
        if self.mentions:
            product = _head(product)
        if not m.product:
            this = f"这些{goods}"
        elif self.mentions % 3 == 1 and not m.formal and k.measure in _STANDS_ALONE:
            this = f"这{k.measure}"
        else:
            this = f"这{k.measure}{product}"
        pain = self._peek("pain")
        show, show2 = self._peek("show"), self._peek("show", 1)
        question, _, answer = self._peek("q").partition("\x1f")
        point = self.points[0] if self.points else (m.points[0] if m.points else "")
        return {
            "address": m.address,
            "viewer": m.address.removesuffix("们").removeprefix("各位") or m.address,
            "name": m.name,
            "this": this,
            "product": product,
            "goods": goods,
            "field": k.name if k.name != "其他" else "好物",
            "m": k.measure,
            "use": _PLAIN_USE.get(k.use, k.use),
            "event": m.event,
            "gift": "" if k.name in _NOT_GIFTS or _FOR_CHILDREN.search(product) else product,
            "treat": product if k.name == "食品" else "",
            "price": m.price,
            "point": point,
            "points": "、".join(m.points[:4]),
            "pain": pain,
            "spain": "" if re.search(r"，|[的了]$", pain) else pain,
            "moment": self._peek("moment"),
            "moment2": self._peek("moment", 1),
            "show": show,
            "show2": show2 if "和" not in f"{show}{show2}" else "",
            "wish": self._peek("wish"),
            "crowd": self._peek("crowd"),
            "tip": self._peek("tip"),
            "q": question,
            "a": answer,
        }

    def _peek(self, kind: str, index: int = 0) -> str:
        words = self.words[kind]
        return words[index] if len(words) > index else ""


def _head(product: str) -> str:
    """What a product is called once it was introduced: the Chinese tail of a mixed name, else the name."""
    match = re.search(r"^[A-Za-z0-9][^一-龥]*([一-龥]{2,})$", product)
    return match[1] if match else product
