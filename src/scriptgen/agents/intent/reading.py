"""Reads one query by itself: intent and the slots it literally states. Knows nothing of earlier turns."""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Slots
from scriptgen.domain.vocabulary import REWRITING_INTENTS, WRITING_INTENTS, IntentType

from .choices import scenario_of, styles_of, sub_scenario_of, target_start
from .classify import Signals, classify
from .lexicon import Lexicon, Mention
from .names import find_name, refers_to_a_person
from .products import ProductMention, answer_product, find_products
from .source import split_source
from .values import find_length, find_price, find_selling_points

_JOINED = re.compile(
    r"(?:来|写|要|各)?[一1两三][段个条版](?:[,、]|和)?"
    r"|(?:的?话术|环节|那?段|的)?(?:、|和|跟|与|及|以及|还有|\+|/|&|加|\s)+"
)
#: A comma joins a list only where the request says that each item is meant (开场,逼单,下播各一段).
_JOINED_BY_COMMA = re.compile(r"(?:的?话术)?\s?,\s?")
_EACH_MEANT = re.compile(r"各|每|都|分别|一样")
_MAX_GAP = 8
_INSERTION = re.compile(r"加(?!强)|补(?!货)|插|添|带上|增加")
#: Characters of an over-long instruction that are read, from its start and from its end.
_HEAD, _TAIL = 500, 300
_FROM_TO = re.compile(r"从开[场播].{0,8}到")
_COUNT = re.compile(r"([1-9]\d?|[一两俩二三四五六七八九十]{1,3})(?:条|段|版|个|篇|套|份|种|组|则)")
_DIGITS = {
    "一": 1,
    "两": 2,
    "俩": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}


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
    answer: ProductMention | None = None


class _Lists(msgspec.Struct, frozen=True):
    """Runs of two or more scenes, events or products joined like a list; empty when there is none."""

    scenes: list[str]
    events: list[str]
    products: list[ProductMention]


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
        text = _ends_of(parts.instruction)
        mentions = lexicon.mentions(text)
        products = find_products(text, lexicon, mentions)
        mentions = [m for m in mentions if m.kind == "product" or not _covered(m, products)]
        name = find_name(text, lexicon, mentions)
        if name:
            products = [p for p in products if p.end <= name[0] or name[1] <= p.start]
        lists = _Lists(
            scenes=_joined(text, [m for m in mentions if m.kind == "sub_scenario"]),
            events=_joined(text, [m for m in mentions if m.kind == "event"]),
            products=_joined_products(text, products),
        )
        stripped = text.strip()
        offset = text.find(stripped)
        verdict = classify(
            Signals(
                text=stripped,
                mentions=tuple(replace(m, start=m.start - offset, end=m.end - offset) for m in mentions),
                has_product=bool(products),
                has_name=bool(name),
                has_script=has_script,
                has_source=parts.has_source,
                listed=max(len(lists.scenes), len(lists.events), len(lists.products)),
            )
        )
        reading = Reading(
            verdict.type,
            verdict.confidence,
            Slots(),
            text,
            source_text=query[parts.source_start : parts.source_end],
            continuation=verdict.continuation,
            person_pronoun=refers_to_a_person(text),
            scene_words=tuple(m.value for m in mentions if m.kind == "sub_scenario"),
            answer=answer_product(text, lexicon, mentions),
        )
        if verdict.type is IntentType.OTHER:
            return replace(reading, source_text="", person_pronoun=False)
        slots = self._slots(query, text, verdict.type, mentions, name)
        slots = _with_product(slots, query, text, verdict.type, products)
        if verdict.type is IntentType.BATCH_GENERATION:
            slots = _with_lists(slots, query, text, lists)
        slots = self._with_source(slots, reading.source_text)
        if not slots.category:
            slots = replace(slots, category=next((m.value for m in mentions if m.kind == "category"), ""))
        named = bool(slots.product_name)
        return replace(reading, slots=slots, names_product=named)

    def _with_source(self, slots: Slots, source: str) -> Slots:
        """Product and price of a pasted script, where the instruction names none."""
        if not source:
            return slots
        if not slots.product_name:
            name, category = self.product_in_script(source)
            slots = replace(slots, product_name=name, category=category or slots.category)
        if not slots.price and (span := find_price(self._lexicon.normalise(source), marked_only=True)):
            slots = replace(slots, price=source[span[0] : span[1]])
        return slots

    def product_in_script(self, script: str) -> tuple[str, str]:
        """Name and category of the first product a pasted script speaks of, "" when none is known."""
        normal = self._lexicon.normalise(script)
        found = find_products(normal, self._lexicon, self._lexicon.mentions(normal), running_text=True)
        return (script[found[0].start : found[0].end], found[0].category) if found else ("", "")

    def _slots(
        self, query: str, text: str, kind: IntentType, mentions: list[Mention], name: tuple[int, int] | None
    ) -> Slots:
        """Every slot but the product and its category."""
        rewriting = kind in REWRITING_INTENTS
        literal = kind is IntentType.QUERY
        target = target_start(text) if rewriting else 0
        # What is to be inserted (加一句促销的话) is not what the script is.
        inserted = _INSERTION.search(text) if kind is IntentType.SCRIPT_MODIFICATION else None
        limit = inserted.start() if inserted else len(text)
        lists_points = not literal and (not rewriting or bool(re.search(r"卖点|突出|强调|主打", text)))
        points = find_selling_points(text, mentions) if lists_points else []
        price = None if literal else find_price(text)
        length = find_length(text)
        before = [m for m in mentions if m.start < limit]
        return Slots(
            scenario=scenario_of(
                [m for m in before if m.kind == "scenario"], target, last=rewriting, literal=literal
            ),
            sub_scenario=sub_scenario_of(text, before, literal=literal),
            event=next((m.value for m in mentions if m.kind == "event"), ""),
            selling_points=tuple(query[a:b] for a, b in points),
            target_name=query[name[0] : name[1]] if name else "",
            styles=() if literal else styles_of(text, mentions, target, points),
            price=query[price[0] : price[1]] if price else "",
            length=query[length[0] : length[1]].strip() if length else "",
        )


def _with_product(
    slots: Slots, query: str, text: str, kind: IntentType, products: list[ProductMention]
) -> Slots:
    if not products:
        return slots
    if kind in REWRITING_INTENTS:
        product = products[-1]
    else:
        product = _wanted(text, products) if kind in WRITING_INTENTS else products[0]
    return replace(slots, product_name=query[product.start : product.end], category=product.category)


def _with_lists(slots: Slots, query: str, text: str, lists: _Lists) -> Slots:
    """Lists go into `extra`, joined by "、"; the single value they replace is emptied."""
    extra: dict[str, str] = {}
    if _FROM_TO.search(text):
        slots = replace(slots, sub_scenario="")
    if lists.scenes:
        extra["batch_sub_scenarios"] = "、".join(lists.scenes)
        slots = replace(slots, sub_scenario="")
    if lists.events:
        extra["batch_events"] = "、".join(lists.events)
        slots = replace(slots, event="")
    if lists.products:
        extra["batch_products"] = "、".join(query[p.start : p.end] for p in lists.products)
        categories = {p.category for p in lists.products}
        slots = replace(slots, product_name="", category=categories.pop() if len(categories) == 1 else "")
    count = _count(text)
    return replace(slots, extra={**extra, "batch_count": count} if count else extra)


def _ends_of(text: str) -> str:
    """The head and tail of a very long text with the middle blanked, offsets kept: what is asked for stands
    at an end, and work per query stays bounded.
    """
    if len(text) <= _HEAD + _TAIL:
        return text
    return text[:_HEAD] + "\n" * (len(text) - _HEAD - _TAIL) + text[-_TAIL:]


def _covered(mention: Mention, products: list[ProductMention]) -> bool:
    return any(p.start <= mention.start and mention.end <= p.end for p in products)


def _is_joint(text: str, start: int, end: int) -> bool:
    if end - start > _MAX_GAP:
        return False
    if _JOINED.fullmatch(text, start, end):
        return True
    return bool(_JOINED_BY_COMMA.fullmatch(text, start, end)) and bool(_EACH_MEANT.search(text, end))


def _joined(text: str, mentions: list[Mention]) -> list[str]:
    """The values of the longest run of mentions that are joined like a list."""
    best: list[str] = []
    run: list[Mention] = []
    for m in mentions:
        if run and not _is_joint(text, run[-1].end, m.start):
            run = []
        run.append(m)
        values = list(dict.fromkeys(r.value for r in run))
        if len(values) > len(best):
            best = values
    return best if len(best) > 1 else []


def _joined_products(text: str, products: list[ProductMention]) -> list[ProductMention]:
    best: list[ProductMention] = []
    run: list[ProductMention] = []
    for p in products:
        if run and not _is_joint(text, run[-1].end, p.start):
            run = []
        run.append(p)
        if len(run) > len(best):
            best = list(run)
    return best if len(best) > 1 else []


def _wanted(text: str, products: list[ProductMention]) -> ProductMention:
    """Of several products the one that comes next (口红讲完了，下一个是气垫), else the first."""
    for p in products:
        if re.search(
            r"(?:换成|改成|下一个品?是?|下个品?是?|接下来[讲卖上是]?|接着[讲卖]?|"
            r"回到(?:刚才)?(?:那个|的)?|产品是|轮到|换|改[卖讲]|现在[讲卖]?)(?:一下|那个|这个|"
            r"我们的?)?$",
            text[max(0, p.start - 12) : p.start],
        ):
            return p
    for p in products:
        if not re.match(r"(?:已经|都)?(?:讲|卖|播|说|介绍)?(?:完|过|好|空)", text[p.end :]) and not re.match(
            r"不[讲卖]|下架", text[p.end :]
        ):
            return p
    return products[-1]


def _count(text: str) -> str:
    for match in _COUNT.finditer(text):
        if text[max(0, match.start() - 1) : match.start()] in {"第", "前", "上", "每"}:
            continue
        number = match[1]
        value = int(number) if number.isdigit() else _chinese_number(number)
        if value > 1 and not re.match(r"(?:卖点|品|产品|优惠)", text[match.end() :]):
            return str(value)
    return ""


def _chinese_number(word: str) -> int:
    if "十" in word:
        tens, _, units = word.partition("十")
        return (_DIGITS.get(tens, 1) if tens else 1) * 10 + (_DIGITS.get(units, 0) if units else 0)
    return _DIGITS.get(word, 0)
