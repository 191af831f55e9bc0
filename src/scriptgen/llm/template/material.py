"""Turns a writing task into what phrases can be filled with: names, price, points and facts, made speakable.

Nothing is invented here: a value that was not given, or that could not be read on air, is simply absent.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from scriptgen.domain.categories import CategoryKnowledge, knowledge_for
from scriptgen.domain.scenes import SceneSpec, scene_for
from scriptgen.domain.vocabulary import STYLES
from scriptgen.domain.writing import WritingTask

from .phrases import PhraseBook

SHORTEST: Final = 40
LONGEST: Final = 1200

#: Given texts that may be unlawful to read out; the compliance room judges, this only abstains.
_RISKY = re.compile(
    r"最(?!近|后|终|初)|第一(?!次|时间|步|章|件)|唯一|国家级|世界级|顶[级尖]|全网|全国|史上|独家"
    r"|极致|绝对|百分百|100%有效|万能|根治|治疗|治愈|消炎|杀菌|抗癌|药|疗效|包治|减肥|瘦身|祛斑|祛痘|速效|见效|保证|永久|永不|零风险"
    r"|无副作用|跳楼|骨折价|吐血|清仓价|仅剩|只剩|微信|加V|转账|高仿|A货|开光|招财|辟邪"
)
_UNSPEAKABLE = re.compile(r"[{}\[\]<>|\\\x00-\x1f\x7f\u200b-\u200f\ufeff]")
_EDGES = " \t\r\n，。！？、；：,.!?;:\"'“”‘’《》()（）-—~·#*"
FORMAL_STYLES: Final = frozenset({"专业", "高端"})
_ADDRESSABLE = re.compile(r"^[一-龥]{0,2}(宝妈|姐妹|女生|同学|书友|吃货|老铁|家人|宝子|朋友)$")


class Material(msgspec.Struct, frozen=True):
    """The speakable content of a task. `facts` are (key, value) pairs by their `PhraseBook.fact_kind`."""

    scene: SceneSpec
    target: int
    knowledge: CategoryKnowledge
    styles: tuple[str, ...]
    formal: bool
    address: str
    product: str
    name: str
    price: str
    points: tuple[str, ...]
    facts: dict[str, tuple[tuple[str, str], ...]]
    event: str
    catchphrases: tuple[str, ...]
    forbidden: tuple[str, ...]
    avoid: tuple[str, ...]
    first_person: bool
    crowds: tuple[str, ...]

    def has_facts(self, kind: str) -> bool:
        return bool(self.facts.get(kind))


def material_of(task: WritingTask, book: PhraseBook) -> Material:
    """Raises nothing: odd values are cleaned or left out."""
    product = _product_name(task)
    knowledge = knowledge_for(task.category, product)
    scene = scene_for(task.sub_scenario, task.scenario)
    target = task.target_characters or scene.default_characters
    forbidden = tuple(t for t in map(clean, task.forbidden_terms) if t and t not in product)
    facts = _facts(task, book)
    styles = _styles(task)
    price_facts = facts.get("price", ())
    price = spoken_price(task.product.price) or (spoken_price(price_facts[0][1]) if price_facts else "")
    return Material(
        scene=scene,
        target=min(LONGEST, max(SHORTEST, target)),
        knowledge=knowledge,
        styles=styles,
        formal=bool(FORMAL_STYLES.intersection(styles))
        or (not task.styles and task.profile.formality >= 0.7),
        address=_address(task, knowledge, styles),
        product=product,
        name=clean(task.influencer_name or task.profile.influencer_name, limit=16),
        price=price if not _RISKY.search(price) else "",
        points=_points(task, forbidden),
        facts=facts,
        event=clean(task.event, limit=16),
        catchphrases=_catchphrases(task),
        forbidden=forbidden,
        avoid=tuple(t for t in (*task.avoid, task.source_text) if t.strip()),
        first_person=task.profile.first_person,
        crowds=_crowds(task, knowledge),
    )


def clean(text: str, *, limit: int = 60) -> str:
    """One speakable line: no control characters, brackets or edge punctuation; "" beyond `limit`."""
    line = re.sub(r"\s+", " ", _UNSPEAKABLE.sub(" ", text)).strip(_EDGES)
    line = re.sub(r"\s*[。！？!?；;]\s*", "，", line)
    return line if len(line) <= limit else ""


def spoken_price(price: str) -> str:
    """The price as a host says it: 39.9 → 39.9元, ¥59 → 59元; anything else as it was given."""
    text = clean(re.sub(r"[¥￥]\s*(\d+(?:\.\d+)?)(?![\d.]*\s*[元块])", r"\1元", price), limit=30)
    return f"{text}元" if re.fullmatch(r"\d+(?:\.\d+)?", text) else text


def risky(text: str) -> bool:
    """Whether a given text must not be read out as it stands (conservative)."""
    return bool(_RISKY.search(text))


def _product_name(task: WritingTask) -> str:
    name = clean(task.product.name, limit=48)
    brand = clean(task.product.brand, limit=20)
    if name and brand and brand.lower() not in name.lower() and not risky(brand):
        return f"{brand}{name}"
    return name


def _styles(task: WritingTask) -> tuple[str, ...]:
    if given := tuple(s for s in task.styles if s in STYLES):
        return given
    profile = task.profile
    if told := tuple(s for s in STYLES if s in profile.tone):
        return told
    if profile.humor >= 0.65:
        return ("幽默",)
    if profile.formality >= 0.7:
        return ("专业",)
    if profile.formality <= 0.15:
        return ("口语",)
    return ()


def _address(task: WritingTask, knowledge: CategoryKnowledge, styles: tuple[str, ...]) -> str:
    formal = bool(FORMAL_STYLES.intersection(styles))
    generic = formal and task.profile.address == knowledge.address  # the category's, not this host's own
    if not generic and (given := tuple(a for a in map(clean, task.profile.address) if a)):
        return given[0]
    for phrase in task.profile.catchphrases:
        if (found := clean(phrase)) and len(found) <= 5 and found.endswith(("们", "女生")):
            return found
    audience = clean(task.audience, limit=8)
    if _ADDRESSABLE.match(audience):
        return audience + "们"
    if formal:
        return "各位朋友" if "高端" in styles else "朋友们"
    return knowledge.address[0]


def _crowds(task: WritingTask, knowledge: CategoryKnowledge) -> tuple[str, ...]:
    audience = clean(task.audience, limit=10)
    if audience and not re.search(r"[\d,，、]", audience) and not risky(audience):
        return (audience, *knowledge.crowds)
    return knowledge.crowds


def _points(task: WritingTask, forbidden: tuple[str, ...]) -> tuple[str, ...]:
    points = []
    for raw in task.product.selling_points:
        point = clean(raw, limit=40)
        if point and not risky(point) and point not in points and not any(f in point for f in forbidden):
            points.append(point)
    return tuple(points)


def _facts(task: WritingTask, book: PhraseBook) -> dict[str, tuple[tuple[str, str], ...]]:
    kinds: dict[str, list[tuple[str, str]]] = {}
    for raw_key, raw_value in task.product.facts.items():
        key, value = clean(raw_key, limit=12), clean(raw_value)
        if key and value and not risky(key) and not risky(value):
            kinds.setdefault(book.fact_kind(key), []).append((key, value))
    return {kind: tuple(pairs) for kind, pairs in kinds.items()}


def _catchphrases(task: WritingTask) -> tuple[str, ...]:
    phrases = []
    for raw in task.profile.catchphrases:
        phrase = clean(raw, limit=16)
        if phrase and not risky(phrase) and not (len(phrase) <= 5 and phrase.endswith(("们", "女生"))):
            phrases.append(phrase)
    return tuple(dict.fromkeys(phrases))
