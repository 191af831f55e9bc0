"""Reads one query by itself: intent and the slots it literally states. Knows nothing of earlier turns."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from scriptgen.domain.intent import Slots
from scriptgen.domain.vocabulary import REWRITING_INTENTS, WRITING_INTENTS, IntentType

from .amounts import find_length, find_price
from .choices import event_of, scenario_of, sells, styles_of, sub_scenario_of, target_start
from .classify import classify
from .heads import ProductMention
from .lexicon import Lexicon, Mention
from .lists import Lists, find_lists, script_count
from .names import find_name, refers_to_a_person
from .patterns import NAME_PART, PART
from .points import find_selling_points
from .products import answer_product, find_products
from .renames import find_new_name
from .replacements import quoted_pairs, renamed_product, reworded, without_quoted
from .settled import still_open
from .signals import Signals
from .source import ends_of, split_source

#: What stands before the product that comes next.
_NEXT = re.compile(
    r"(?:(?:^|[,，])(?:该|轮)?到|换成|改成|下一个品?是?|下个品?是?|接下来[讲卖上是]?|接着[讲卖]?|"
    r"回到(?:刚才)?(?:那个|的)?|产品是|主要是?|尤其是?|轮到|(?<![可能])换上?|改[卖讲上推播]|[现在再该先就后,](?:在|面|边)?[讲卖上推播来])(?:一下|那个|这个|"
    r"我们的?)?$"
)
_TELLS_POINTS = re.compile(r"卖点|突出|强调|主打")
_SENT_TO = re.compile(r"(?:导|同步|接|连|传|发|存|投屏?|打印|拷|复制)(?:入|出|进|到|在|上|给)?[我你]?的?$")
_NOT_BEFORE = re.compile(r"(?:不是|并非|而非|别写|不卖)$")
_NOT_MORE_BEFORE = re.compile(r"(?:别|不要|不用|不|甭)(?:再)?(?:写|讲|卖|播|是|要)$")
_DONE_AFTER = re.compile(
    r"的?(?:已经|都)?(?:讲|卖|播|说|介绍)?(?:完|过|好|空)|"
    r"(?:那边|那个|这个|就)?(?:先)?不[讲卖写要播上]|先放|放一放|跳过|下架|没货|停了|先?撤|翻篇|售罄|断货|缺货|没了|[卖抢秒拍播推][完光空没]"
)
_INSERTION = re.compile(r"加(?!强)|补(?!货)|插|添|带上|增加")
_PART_TURNED = re.compile(rf"(?!{NAME_PART}){PART}[^,，。]{{0,4}}(?:换|改|变)(?:成|为)")
_FROM_TO = re.compile(r"从?开[场播].{0,8}(?<!收)到")
_REMEMBERED = 1024
_REMEMBERED_CHARACTERS = 100


class Reading(msgspec.Struct, frozen=True):
    """What a query says when taken alone. `scene_words` are sub_scenarios that are named, whether they are
    wanted or only point at an earlier script; `person_pronoun` tells that 她 or 这个达人 is used.
    """

    type: IntentType
    confidence: float
    slots: Slots
    normal: str
    source_text: str = ""
    continuation: bool = False
    person_pronoun: bool = False
    names_product: bool = False
    scene_words: tuple[str, ...] = ()


class Reader:
    """Turns a typed query into a Reading with the word lists of `lexicon`."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._known: dict[tuple[str, bool], Reading] = {}

    def read(self, query: str, *, has_script: bool) -> Reading:
        """`has_script` is whether the conversation has a script to act on: 英文版来一份 means different
        things with and without one. Short queries are remembered: operators type the same ones all day.
        """
        key = (query, has_script)
        known = self._known.get(key)
        if known is None:
            known = self._read(query, has_script=has_script)
            if len(query) <= _REMEMBERED_CHARACTERS:
                while len(self._known) >= _REMEMBERED:
                    del self._known[next(iter(self._known))]
                self._known[key] = known
        return known

    def _read(self, query: str, *, has_script: bool) -> Reading:
        lexicon = self._lexicon
        parts = split_source(lexicon.normalise(query))
        text = ends_of(parts.instruction)
        pairs = quoted_pairs(text)
        renamed = None if parts.has_source else renamed_product(pairs, lexicon)
        given_up = reworded(text)
        text = without_quoted(text, [*pairs, *given_up])
        mentions, products = still_open(text, *self._mentions(text))
        if renamed:
            products = [*products, renamed]
        new_name = find_new_name(text, pairs, lexicon, mentions)
        name = new_name or find_name(text, lexicon, mentions)
        if name:
            products = [p for p in products if p.end <= name[0] or name[1] <= p.start]
        lists = find_lists(text, mentions, products)
        verdict = classify(
            _signals(
                text,
                mentions,
                has_product=bool(products),
                has_name=bool(name),
                has_script=has_script,
                has_source=parts.has_source,
                listed=lists.longest,
                replaces=bool(pairs or new_name or given_up),
            )
        )
        slots, source = Slots(), ""
        if verdict.type is not IntentType.OTHER:
            source = query[parts.source_start : parts.source_end]
            found = self._slots(query, text, verdict.type, mentions, products=products, name=name)
            found |= _product(query, text, verdict.type, products)
            if verdict.type is IntentType.BATCH_GENERATION:
                found |= _listed(query, text, lists)
            if source:
                found = self._in_source(source) | found
            if not found.get("category"):
                found["category"] = next((m.value for m in mentions if m.kind == "category"), "")
            slots = Slots(**found)
        return Reading(
            verdict.type,
            verdict.confidence,
            slots,
            text,
            source_text=source,
            continuation=verdict.continuation,
            person_pronoun=verdict.type is not IntentType.OTHER and refers_to_a_person(text),
            names_product=bool(slots.product_name),
            scene_words=tuple(m.value for m in mentions if m.kind == "sub_scenario"),
        )

    def _in_source(self, source: str) -> dict[str, Any]:
        """Product and price of a pasted script; what the instruction says about them goes before."""
        name, category = self.product_in_script(source)
        found: dict[str, Any] = {"product_name": name, "category": category} if name else {}
        if span := find_price(self._lexicon.normalise(source), marked_only=True):
            found["price"] = source[span[0] : span[1]]
        return found

    def answer(self, reading: Reading) -> ProductMention | None:
        """The product when the whole text is the answer to "what is sold?"."""
        mentions, _ = self._mentions(reading.normal)
        return answer_product(reading.normal, self._lexicon, mentions)

    def _mentions(self, text: str) -> tuple[list[Mention], list[ProductMention]]:
        """Listed words, without those that are part of a product's name, and the products."""
        mentions = self._lexicon.mentions(text)
        products = find_products(text, self._lexicon, mentions)
        if products:
            mentions = [m for m in mentions if m.kind == "product" or not _covered(m, products)]
        return mentions, products

    def product_in_script(self, script: str) -> tuple[str, str]:
        """Name and category of the first product a pasted script speaks of, "" when none is known."""
        normal = self._lexicon.normalise(script)
        found = find_products(normal, self._lexicon, self._lexicon.mentions(normal), running_text=True)
        return (script[found[0].start : found[0].end], found[0].category) if found else ("", "")

    def _slots(
        self,
        query: str,
        text: str,
        kind: IntentType,
        mentions: list[Mention],
        *,
        products: list[ProductMention],
        name: tuple[int, int] | None,
    ) -> dict[str, Any]:
        """Every slot that is stated, but the product and its category."""
        rewriting = kind in REWRITING_INTENTS
        literal = kind is IntentType.QUERY
        target = target_start(text) if kind is IntentType.SCRIPT_TRANSLATION else 0
        # What is to be inserted (加一句促销的话) is not what the script is.
        inserted = _INSERTION.search(text) if kind is IntentType.SCRIPT_MODIFICATION else None
        limit = inserted.start() if inserted else len(text)
        lists_points = not literal and (not rewriting or bool(_TELLS_POINTS.search(text)))
        product_ends = [p.end for p in products]
        plain = _without(text, mentions, "event")
        price = None if literal else find_price(plain, product_ends=product_ends)
        points = find_selling_points(text, mentions, product_ends, price=price) if lists_points else []
        length = find_length(plain)
        before = [m for m in mentions if m.start < limit]
        found = {
            "scenario": scenario_of(
                [m for m in before if m.kind == "scenario" and not sells(text, m, by=name, goods=products)],
                target,
                last=rewriting,
                literal=literal,
            ),
            "sub_scenario": sub_scenario_of(text, before, literal=literal),
            "event": event_of(text, mentions, last=rewriting),
            "selling_points": tuple(query[a:b] for a, b in points),
            "target_name": query[name[0] : name[1]] if name else "",
            "styles": () if literal else styles_of(text, mentions, target, points),
            "price": query[price[0] : price[1]] if price else "",
            # 口播稿一分钟多少字 asks about a length, it wants none.
            "length": query[length[0] : length[1]].strip() if length and not literal else "",
        }
        return {key: value for key, value in found.items() if value}


def _without(text: str, mentions: list[Mention], kind: str) -> str:
    """The text with the mentions of one kind blanked: the digits of 双11 are no price."""
    spans = [(m.start, m.end) for m in mentions if m.kind == kind]
    if not spans:
        return text
    characters = list(text)
    for start, end in spans:
        characters[start:end] = "\n" * (end - start)
    return "".join(characters)


def _signals(text: str, mentions: list[Mention], **known: Any) -> Signals:
    """The text without its margins, and the mentions where they then stand."""
    stripped = text.strip()
    offset = text.find(stripped)
    if offset:
        mentions = [Mention(m.kind, m.value, m.start - offset, m.end - offset) for m in mentions]
    return Signals(text=stripped, mentions=tuple(mentions), **known)


def _product(query: str, text: str, kind: IntentType, products: list[ProductMention]) -> dict[str, Any]:
    if kind is IntentType.SCRIPT_MODIFICATION:
        # 结尾加一句明晚讲面膜: what is put into the script is not what the script sells.
        limit = _put_in(text)
        products = [p for p in products if p.start < limit]
    if kind is IntentType.QUERY:
        # 能导到提词器里吗: where the scripts shall go is not what is sold.
        products = [p for p in products if not _SENT_TO.search(text[: p.start])]
    if not products:
        return {}
    if kind in REWRITING_INTENTS:
        # 是投影仪不是音响: what something is not, it shall not become.
        kept = [p for p in products if not _NOT_BEFORE.search(text[: p.start])]
        product = (kept or products)[-1]
    else:
        product = _wanted(text, products) if kind in WRITING_INTENTS else products[0]
    return {"product_name": query[product.start : product.end], "category": product.category}


def _put_in(text: str) -> int:
    """Where words begin that a change puts into the script; the length of the text when there are none."""
    found = [m for m in (_INSERTION.search(text), _PART_TURNED.search(text)) if m]
    return min((m.end() for m in found), default=len(text))


def _listed(query: str, text: str, lists: Lists) -> dict[str, Any]:
    """Lists go into `extra`, joined by "、"; the single value they replace is emptied."""
    found: dict[str, Any] = {"sub_scenario": ""} if _FROM_TO.search(text) else {}
    if lists.scenarios:
        found["scenario"] = ""
    extra: dict[str, str] = {}
    if lists.scenes:
        extra["batch_sub_scenarios"] = "、".join(lists.scenes)
        found["sub_scenario"] = ""
    if lists.events:
        extra["batch_events"] = "、".join(lists.events)
        found["event"] = ""
    if lists.products:
        extra["batch_products"] = "、".join(query[p.start : p.end] for p in lists.products)
        categories = {p.category for p in lists.products if p.category}
        found |= {"product_name": "", "category": categories.pop() if len(categories) == 1 else ""}
    if count := script_count(text):
        extra["batch_count"] = count
    return {**found, "extra": extra}


def _covered(mention: Mention, products: list[ProductMention]) -> bool:
    return any(p.start <= mention.start and mention.end <= p.end for p in products)


def _wanted(text: str, products: list[ProductMention]) -> ProductMention:
    """Of several products the one that comes next (口红讲完了，下一个是气垫), else the first."""
    for p in products:
        if _NEXT.search(text[max(0, p.start - 12) : p.start]):
            return p
    for p in products:
        if _NOT_MORE_BEFORE.search(text[: p.start]):
            continue
        if not _DONE_AFTER.match(text, p.end):
            return p
    return products[-1]
