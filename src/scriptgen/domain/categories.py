"""What is known about each category and kind of product: its words, worries, moments and audience.

Nothing here is a fact about a particular product. The knowledge is data (`data/categories.json`); the grammar
that each list keeps is stated at the fields, so that prompts and phrase banks can rely on it.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec
from msgspec.structs import replace

from .profile import StyleProfile

OTHER = "其他"


class GenericStyle(msgspec.Struct, frozen=True):
    """How a typical host of the category speaks; the numbers of `StyleProfile`."""

    formality: float
    humor: float
    interaction: float
    sentence_length: float
    particles: float
    exclamation: float


class CategoryKnowledge(msgspec.Struct, frozen=True):
    """Knowledge of a category, or of one of its subtypes after `for_product`.

    `pains` are predicates without a subject (你是不是也<pain>), `moments` fit before 的时候, `shows` are
    things one can show to a camera, `wishes` fit after 想, `crowds` are people, `tips` are whole sentences,
    `questions` are pairs of a viewer's question and an answer that promises nothing. `goods` is the general
    word for what is sold, `use` the verb of using it, `measure` its measure word.
    """

    name: str
    goods: str
    use: str
    measure: str
    address: tuple[str, ...]
    vocabulary: tuple[str, ...]
    pains: tuple[str, ...]
    moments: tuple[str, ...]
    shows: tuple[str, ...]
    wishes: tuple[str, ...]
    crowds: tuple[str, ...]
    sensory: tuple[str, ...]
    angles: tuple[str, ...]
    tips: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]
    style: GenericStyle
    subtype: str = ""

    def generic_profile(self) -> StyleProfile:
        """The profile of an influencer of whom nothing is known."""
        return StyleProfile(
            formality=self.style.formality,
            humor=self.style.humor,
            interaction=self.style.interaction,
            avg_sentence_length=self.style.sentence_length,
            address=self.address,
            particles=self.style.particles,
            exclamation=self.style.exclamation,
        )


class Subtype(msgspec.Struct, frozen=True):
    """A kind of product within a category, recognised by `cues` in its name. What it leaves empty is
    the category's.
    """

    name: str
    cues: tuple[str, ...]
    use: str
    measure: str
    pains: tuple[str, ...]
    moments: tuple[str, ...]
    shows: tuple[str, ...]
    wishes: tuple[str, ...] = ()
    crowds: tuple[str, ...] = ()
    tips: tuple[str, ...] = ()
    questions: tuple[tuple[str, str], ...] = ()


class _CategoryData(msgspec.Struct, frozen=True):
    knowledge: CategoryKnowledge
    subtypes: tuple[Subtype, ...] = ()


def knowledge_for(category: str, product_name: str = "") -> CategoryKnowledge:
    """Knowledge of `category` (其他 when unknown), sharpened to the product's subtype where one is known."""
    entry = _categories().get(category) or _categories()[OTHER]
    subtype = _subtype_of(entry, product_name)
    if subtype is None:
        measure = _measure_by_ending(product_name) or entry.knowledge.measure
        return replace(entry.knowledge, measure=measure)
    return replace(
        entry.knowledge,
        subtype=subtype.name,
        use=subtype.use,
        measure=_measure_by_ending(product_name) or subtype.measure,
        pains=subtype.pains,
        moments=subtype.moments,
        shows=subtype.shows,
        wishes=subtype.wishes or entry.knowledge.wishes,
        crowds=subtype.crowds or entry.knowledge.crowds,
        tips=subtype.tips or entry.knowledge.tips,
        questions=subtype.questions or entry.knowledge.questions,
    )


def known_categories() -> tuple[str, ...]:
    return tuple(_categories())


def subtypes_of(category: str) -> tuple[Subtype, ...]:
    entry = _categories().get(category)
    return entry.subtypes if entry else ()


def _subtype_of(entry: _CategoryData, product_name: str) -> Subtype | None:
    """The subtype whose cue stands furthest right: in Chinese the head noun ends the name."""
    best: tuple[int, int, Subtype] | None = None
    for subtype in entry.subtypes:
        for cue in subtype.cues:
            at = product_name.rfind(cue)
            if at >= 0 and (best is None or (at + len(cue), len(cue)) > best[:2]):
                best = (at + len(cue), len(cue), subtype)
    return best[2] if best else None


#: The measure word by what a name ends in, packaging first.
_MEASURES = (
    (("礼盒", "大礼包"), "份"),
    (("套装", "件套", "套组", "套盒"), "套"),
    (
        (
            "香水",
            "精华",
            "精华液",
            "乳液",
            "爽肤水",
            "洗发水",
            "沐浴露",
            "身体乳",
            "洗衣液",
            "白酒",
            "红酒",
            "蜂蜜",
        ),
        "瓶",
    ),
    (("牙膏", "洗面奶", "护手霜", "眼线笔", "眉笔", "睫毛膏", "牙刷"), "支"),
    (("推车", "婴儿车", "自行车", "滑板车"), "辆"),
    (("椅", "椅子", "伞", "雨伞", "菜刀", "梳子"), "把"),
    (("沙发", "桌", "床", "地毯", "凉席", "餐桌", "书桌", "瑜伽垫", "床垫"), "张"),
    (("耳机", "眼镜", "墨镜", "太阳镜", "手套"), "副"),
    (("台灯", "落地灯", "吸顶灯", "小夜灯"), "盏"),
    (("围巾", "丝巾", "腰带", "皮带", "毛巾", "浴巾", "毯", "毛毯"), "条"),
    (("手表", "腕表"), "块"),
    (("炸锅", "电饭锅", "电煮锅", "电火锅", "电炖锅", "压力锅"), "台"),
    (("锅",), "口"),
    (("被", "被子"), "床"),
    (("帽", "帽子"), "顶"),
)


def _measure_by_ending(product_name: str) -> str:
    return next((measure for endings, measure in _MEASURES if product_name.endswith(endings)), "")


@cache
def _categories() -> dict[str, _CategoryData]:
    data = resources.files("scriptgen.domain").joinpath("data/categories.json").read_bytes()
    entries = msgspec.json.decode(data, type=list[_CategoryData])
    return {entry.knowledge.name: entry for entry in entries}
