"""The word lists of the intent agent and the one automaton that finds them in a text.

Loads `data/*.json`; decides nothing about what a found word means for a request.
"""

from __future__ import annotations

import json
import re
from bisect import insort
from collections.abc import Iterable
from importlib.resources import files
from operator import attrgetter
from typing import Any

import ahocorasick
import msgspec

from .misspelling import Misspelling
from .text import Normaliser

#: The slot kinds of `data/terms.json` that are found by word and carry a canonical value.
_FOR_WHOM = (
    (re.compile(r"婴|宝宝|儿童|吐奶|哺乳|孕|月子|新生儿|幼儿|产妇|童(?!年|话|趣)"), "母婴"),
    (re.compile(r"宠物|猫|狗|车载|汽车|露营|钓鱼"), "其他"),
)
#: 儿童, 车载: words that say more of a listed product than its head does.
_WHOSE = (
    (re.compile(r"婴儿|婴幼儿|新生儿|宝宝|儿童|幼儿|孕妇|哺乳|月子|产妇"), "母婴"),
    (re.compile(r"宠物|猫咪|狗狗|猫用|狗用|汽车|车载|车用"), "其他"),
)
_GIVES_WAY = {"母婴": {"服饰", "家居", "个护", "其他"}, "其他": {"家居", "个护", "食品"}}
#: Shorter words have too many neighbours to tell a typo from another thing.
_SHORTEST_MISTYPED, _LONGEST_MISTYPED = 3, 6
#: 二胎妈妈写一段 holds no mistyped 妈妈鞋.
_WRITES = re.compile(r"写(?:一|个|段|条|篇|份|点|版|的是)")
_CJK_WORD = re.compile(r"[一-龥]+")
_TERM_KINDS = ("scenario", "sub_scenario", "weak_sub", "event", "style", "category")


class Mention(msgspec.Struct, frozen=True):
    """A known word in a text: `kind` names its list, `value` its canonical value (a product's category)."""

    kind: str
    value: str
    start: int
    end: int


class Lexicon:
    """Finds every listed word, longest first from the left, whatever list it is of."""

    def __init__(self) -> None:
        products: dict[str, list[str]] = _load("products.json")
        terms: dict[str, dict[str, list[str]]] = _load("terms.json")
        parts: dict[str, list[str]] = _load("product_parts.json")
        bounds: dict[str, list[str]] = _load("boundaries.json")
        self.normalise = Normaliser(_load("characters.json"))
        self.product_category: dict[str, str] = {
            word: category for category, words in products.items() for word in words
        }
        self._near = _one_character_off(self.product_category)
        self._misspelling = Misspelling(
            self.product_category, list(_load("sounds.json").values()), _load("shapes.json")
        )
        self.events = frozenset(terms["event"])
        self.suffix_category: dict[str, str] = {
            suffix: kind.removeprefix("suffix:")
            for kind, suffixes in parts.items()
            if kind.startswith("suffix:")
            for suffix in suffixes
        }
        self.modifiers = re.compile(f"(?:{_alternatives(parts['modifiers'])})$")
        self.stop = re.compile(_alternatives(bounds["stop"]))
        self.not_names = re.compile(_alternatives(bounds["not_names"]))
        self._automaton = ahocorasick.Automaton()
        # One-character products (包, 书) would be found inside other words: they count only as heads of a
        # phrase that a pattern has cut out.
        for word, category in self.product_category.items():
            if len(word) > 1:
                self._automaton.add_word(word, (len(word), "product", category))
        for kind in _TERM_KINDS:
            for value, words in terms[kind].items():
                for word in words:
                    self._automaton.add_word(word, (len(word), kind, value))
        # Words that only contain a listed word (历史记录) are found first, being longer, and then dropped.
        for word in bounds["plain"]:
            self._automaton.add_word(word, (len(word), "plain", word))
        self._automaton.make_automaton()

    def mentions(self, text: str) -> list[Mention]:
        """Non-overlapping mentions in normalised text, leftmost and then longest, in order.

        A misspelt product is one, too, where it holds nothing but products that are spelt well.
        """
        found: list[Mention] = []
        for last, (length, kind, value) in self._automaton.iter_long(text):
            start, end = last - length + 1, last + 1
            if kind == "plain" or _inside_a_latin_word(text, start, end):
                continue
            found.append(Mention(kind, value, start, end))
        for start, end, category in self._misspelling.find(text):
            if _WRITES.match(text, end - 1):
                continue
            within = [m for m in found if m.start < end and start < m.end]
            if all(m.kind == "product" and start <= m.start and m.end <= end for m in within):
                found = [m for m in found if m not in within]
                insort(found, Mention("product", category, start, end), key=attrgetter("start"))
        return found

    def category_for(self, before: str, category: str) -> str:
        """The category of a listed product behind the rest of its name: 儿童 makes a 防晒帽 a child's."""
        whose = next((w for words, w in _WHOSE if words.search(before)), "")
        return whose if category in _GIVES_WAY.get(whose, ()) else category

    def category_of(self, phrase: str, *, mistyped: bool = True) -> str:
        """The category of a noun phrase by its last known head, "" when no head is known.

        A listed word with one character mistyped (冲峰衣) counts as that word unless `mistyped` is off.
        """
        for start in range(max(1, len(phrase) - 1)):
            category = self.product_category.get(phrase[start:])
            if category:
                return self.category_for(phrase[:start], category)
        if mistyped and (category := self.misspelt(phrase) or self._mistyped(phrase)):
            return category
        for length in (3, 2, 1):
            category = self.suffix_category.get(phrase[-length:], "") if len(phrase) > length else ""
            if category:
                return _for_whom(phrase) or category
        return self.product_category.get(phrase[-1:], "")

    def misspelt(self, phrase: str) -> str:
        """The category of the listed word that `phrase` sounds or looks like (口宏, 绘夲), "" without one."""
        return self._misspelling.category_of(phrase)

    def _mistyped(self, phrase: str) -> str:
        for start in range(max(0, len(phrase) - _LONGEST_MISTYPED), len(phrase) - _SHORTEST_MISTYPED + 1):
            word = phrase[start:]
            if not _CJK_WORD.fullmatch(word):
                continue
            keys = _blanked(word)
            if word[-1] in self.suffix_category:  # 阅读灯 is no mistyped 阅读器
                del keys[-1]
            found = {self._near.get(key, "") for key in keys} - {""}
            if len(found) == 1:
                return found.pop()
        return ""


def _blanked(word: str) -> list[str]:
    return [word[:i] + "?" + word[i + 1 :] for i in range(len(word))]


def _one_character_off(categories: dict[str, str]) -> dict[str, str]:
    """Words with one character blanked, and their category; "" where they would be of several."""
    near: dict[str, str] = {}
    for word, category in categories.items():
        if _SHORTEST_MISTYPED <= len(word) <= _LONGEST_MISTYPED and not word.isascii():
            for key in _blanked(word):
                near[key] = category if near.get(key, category) == category else ""
    return near


def _inside_a_latin_word(text: str, start: int, end: int) -> bool:
    """Whether an ASCII word or number was cut out of a longer one (`38` in `1380`)."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return (_wordish(before) and _wordish(text[start])) or (_wordish(after) and _wordish(text[end - 1]))


def _for_whom(phrase: str) -> str:
    """防吐奶枕 is a baby's thing before it is a pillow."""
    return next((category for words, category in _FOR_WHOM if words.search(phrase)), "")


def _wordish(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _alternatives(words: Iterable[str]) -> str:
    """A pattern of all words, longest first; the lookahead passes over most positions without trying them."""
    listed = sorted(words, key=len, reverse=True)
    starts = re.escape("".join(dict.fromkeys(word[0] for word in listed)))
    return f"(?=[{starts}])(?:{'|'.join(map(re.escape, listed))})"


def _load(name: str) -> Any:
    return json.loads(files(__package__).joinpath("data", name).read_text(encoding="utf-8"))
