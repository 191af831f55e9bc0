"""Finds the selling points that an instruction tells, as spans of its normalised text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from .amounts import LENGTH, Span
from .lexicon import Mention
from .qualities import is_quality

_POINT_TRIGGER = re.compile(
    r"(?:(?:加上?|补上?|增加|添加|加入|加进)(?:一?[个条]|[一两]个)?卖点(?:是|叫|:)?|"
    r"(?:关键词|关键点|核心|好处|长处|强项|看点|胜在|好在|赢在|优点)(?:就是|主要是|是|就|有|为|:)+|"
    r"(?:产品)?卖点(?:就是|主要是|包括|是|有|为|写|改成|换成|(?:再|里)?加上?(?:一?[个条])?|:|：)+|主打的?(?:是|就是)?|"
    r"(?:产品)?卖点(?!介|话|讲|展|提|文|词|拆|梳|和|跟|与|、|上)(?=[^,，。:的各]{2,6}、)|突出(?:一下|的是|写)?|强调(?:一下|的是)?|特点(?:就是|是|有|:)+|"
    r"优点(?:就是|是|有|:)+|亮点(?:就是|是|有|:)+|优势(?:就是|是|有|:)+|重点(?:讲讲|讲|说说|说|"
    r"突出|是|放在)+|特色(?:是|就是|:)+)\s*"
)
_POINTS = re.compile("[卖优亮特][点势色]|好处|看点")
_ITEM_ENDS = re.compile(r"[,，。;；!！?？\s:：、]")
_ONE_CHARACTER = frozenset("轻弹软香甜脆鲜糯薄亮嫩润暖稳静滑")
_LONGEST_PRICE_WORD = 8
_TOLD_OF_A_PRICE = re.compile(
    r"(?:/|一|每)?[片包个张根粒颗只支次杯块件瓶盒袋罐斤双套本条台]?(?:包邮|到手|带走|拿走|起|封顶)*"
)
_SEGMENT = re.compile(r"[^,，。;；!！?？\s:：]+")
_ITEM_SEPARATOR = re.compile(r"、|/|(?:以及|还有|并且|而且|又)|(?<![柔温暖平祥])(?:和|跟)(?!田)")
_NOT_A_POINT = re.compile(
    r"^[¥￥]?\d+(?:\.\d+)?(?:[一两二三四五六七八九]|$)|(?<![读书手])写|来[一个段条份点]|^要|给我|帮|元|块|\d+字|\d+秒|"
    r"^.{0,6}[\d一两三四五六][条段版份]$|话术|文案|风格|主播|直播|短视频|口播|脚本|[一三两]段|一版|讲完|语气|产品|"
    r"今天|今晚|我们|咱|我是|价格|[单售特底]价|价\d|谢谢|麻烦|急|接着|下一个|卖的|就行|即可|吧$|(?<![面毛花])呢$|更|再|多久|版本|"
    r"都有$|补(?:个|一?[段条份篇]|上|齐|全)|怎么|什么|字数|开始|要求|目标|人群|能不能|会不会|是不是|可不可以|吗$|是否"
)
_NOT_TOLD = re.compile(
    r"面向|适合|针对|[一二两三四五六七八九十\d]|[点些]$|用|急|快|谢|[今明]|晚|给|别|不要|要|太|像|风|感觉?$|口吻|好听|自然|人设|可以|感性|稿|发我|吸引|"
    r"[的吧呗啊呀哈了吗哦]$|帮|我|你|就|先|再|改|换|同|这|那|一"
)
_POINT_TAIL = re.compile(
    r"(?:这些|这几个|这两个|这三个|这个|等)?(?:卖点|特点|优点|优势|亮点|几点|几个点|两点|三点|"
    r"这块)?(?:的|了|啊|呀|哦|哈|吧|就行)*$"
)


def find_selling_points(
    text: str, mentions: list[Mention], product_ends: Sequence[int] = (), *, price: Span | None = None
) -> list[Span]:
    """Named points (主打轻薄、自带线), free lists (遮瑕好、不卡粉) and single qualities of a product that the
    text names (电饭煲的逼单，不粘锅), in the order typed. What tells the `price` is none of them.
    """
    text = _without_price(text, price) if price else text
    for trigger in _POINT_TRIGGER.finditer(text):
        # 卖点是遮瑕: behind the word itself even the name of a product is a point.
        others = [m for m in mentions if m.kind != "product"] if _POINTS.search(trigger[0]) else mentions
        points = _points_after(text, trigger.end(), others)
        if points:
            return points
    segments = list(_SEGMENT.finditer(text))
    for segment in segments:
        if "、" in segment[0]:
            items = _items(text, segment.span(), mentions, strict=True)
            if len(items) >= 2:
                return items
    for told, following in pairwise(segments):
        if _is_told_about(told.span(), mentions):
            return _told(text, following.start(), mentions)
    return [q for s in segments if (q := _quality(text, s.span(), product_ends))] if product_ends else []


def _without_price(text: str, price: Span) -> str:
    """The text with 券后29.9 blanked, offsets kept, where the words around a price are told like a point."""
    told = _TOLD_OF_A_PRICE.match(text, price[1])
    stop = told.end() if told else price[1]
    if stop < len(text) and not _ITEM_ENDS.match(text, stop):
        return text
    start = max((m.end() for m in _ITEM_ENDS.finditer(text, 0, price[0])), default=0)
    if price[0] - start > _LONGEST_PRICE_WORD or _POINT_TRIGGER.search(text, start, stop):
        start = price[0]
    return text[:start] + "\n" * (stop - start) + text[stop:]


def _quality(text: str, span: Span, product_ends: Sequence[int]) -> Span | None:
    """The segment, or what stands in it behind a product (四件套不起球), when that is a quality."""
    starts = [end for end in product_ends if span[0] < end <= span[1]] or [span[0]]
    return next(((a, span[1]) for a in starts if is_quality(text[a : span[1]])), None)


def _is_told_about(span: Span, mentions: list[Mention]) -> bool:
    """橄榄油的产品介绍，冷榨: a segment with a product and the scene that tells of it."""
    inside = [m for m in mentions if span[0] <= m.start < span[1]]
    told = any(m.kind in {"sub_scenario", "weak_sub"} and m.value in {"产品介绍", "卖点介绍"} for m in inside)
    return told and any(m.kind == "product" for m in inside)


def _told(text: str, start: int, mentions: list[Mention]) -> list[Span]:
    """The short segments in a row that say what the product is like."""
    points: list[Span] = []
    for segment in _SEGMENT.finditer(text, start):
        word = segment[0].strip()
        if not _continues(text, segment.span(), mentions) or _NOT_TOLD.search(word) or LENGTH.search(word):
            break
        points.append(segment.span())
    return points


def _points_after(text: str, start: int, mentions: list[Mention]) -> list[Span]:
    """The items of the segment at `start` and of the segments that go on in the same manner."""
    points: list[Span] = []
    for segment in _SEGMENT.finditer(text, start):
        if not points and segment.start() - start > 1:
            break
        if points and not _continues(text, segment.span(), mentions):
            break
        items = _items(text, segment.span(), mentions, strict=bool(points))
        points += items
        if not items or text[segment.end() : segment.end() + 1] not in {",", " "}:
            break
    return points


def _continues(text: str, span: Span, mentions: list[Mention]) -> bool:
    segment = text[span[0] : span[1]]
    short = 2 <= len(segment.strip()) <= 8
    return (
        short
        and not _NOT_A_POINT.search(segment)
        and not _mentioned(span, mentions)
        and not segment.strip().isdigit()
    )


def _items(text: str, span: Span, mentions: list[Mention], *, strict: bool) -> list[Span]:
    items: list[Span] = []
    start = span[0]
    several = sum(map(is_quality, _ITEM_SEPARATOR.split(text[span[0] : span[1]]))) > 1
    cuts = [m.span() for m in _ITEM_SEPARATOR.finditer(text, *span)] + [(span[1], span[1])]
    for cut_start, cut_end in cuts:
        item = _trim(text, start, cut_start)
        start = cut_end
        word = text[item[0] : item[1]]
        if len(word) < 2 and word not in _ONE_CHARACTER:
            continue
        listed = _is_listed(item, mentions) and not (several and is_quality(word))
        if listed or len(word) > 14 or _NOT_A_POINT.search(word) or LENGTH.match(word):
            if strict:
                return []
            break
        if not items:
            item = _without_product(item, mentions)
        items.append(item)
    return items


def _without_product(item: Span, mentions: list[Mention]) -> Span:
    """猫砂结团快 as the first of a list: the product stands before its first point."""
    for m in mentions:
        if m.kind == "product" and m.start == item[0] and item[1] - m.end >= 2:
            return m.end, item[1]
    return item


def _trim(text: str, start: int, end: int) -> Span:
    while start < end and text[start] in " 的是了":
        start += 1
    piece = text[start:end]
    tail = _POINT_TAIL.search(piece)
    end = start + (tail.start() if tail else len(piece))
    while end > start and text[end - 1] == " ":
        end -= 1
    return start, end


def _mentioned(span: Span, mentions: list[Mention]) -> bool:
    return any(span[0] <= m.start < span[1] for m in mentions)


def _is_listed(item: Span, mentions: list[Mention]) -> bool:
    """A list of scenes, products or styles is a list of those, not of selling points."""
    return any(
        item[0] <= m.start
        and m.end <= item[1]
        and m.end - m.start >= item[1] - item[0] - (m.kind != "product")
        for m in mentions
    )
