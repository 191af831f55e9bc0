"""Finds the products a text names, and their category when a head is known. What belongs to a name is decided
in heads.py.
"""

from __future__ import annotations

import re
from itertools import pairwise

from .heads import (
    NOT_A_PRODUCT,
    POINTING,
    SET,
    WORD,
    ProductMention,
    completed,
    extended,
    headed,
    pointed_at,
    shaped,
    sounding,
    with_sauce,
)
from .languages import without_dialects
from .lexicon import Lexicon, Mention

_SEPARATORS = r",，。、!！?？;；:：\s\"()（）~\n"
#: Where a product stands whatever it is called; the phrase runs to the next separator and is trimmed.
_NAMED = re.compile(
    r"(?:(?:产品|商品|单品|宝贝|主推款)(?:名字?|名称)?(?:就?是|叫|为|换成|改成|改为|:|：)+|"
    r"产品名?(?:换|改)成|品名?(?:是|换成|改成|叫)|"
    r"(?:主要|专门|专|家是?|我们|咱们?|是|我|今天|今晚|晚上|年货节|活动|换)?(?:(?<![加上个条])卖(?!点)|主卖|主推|主营|"
    r"专卖|主要做)(?:的是|的就是|的品是|点|些|一款|个)?|"
    r"(?:接下来|接着|下面|然后|现在|下一个|下个|换|改|再|今天|今晚|继续)(?:品|产品|商品|单品|款|"
    r"链接|要|来|我们|咱们?)*(?:是|讲|卖|上|播|介绍|推|换|到|带)(?:的是|的|一款|一下)?|"
    r"下一?个(?:品|产品|链接)?(?:是)?[,:]?|下一款(?:是)?|轮到|换成|改成|换到|换个品[,，:：]?|"
    rf"(?<=[,，])到(?={WORD}{{2,8}}了)|"
    r"(?:错了|不对)[,，]?(?:应该)?(?:是|叫)|回到(?:刚才)?(?:那个|的|那款)?|关于|有款|有个)"
    rf"({WORD}{{1,16}})"
)
_OWNER = re.compile(
    rf"({WORD}{{2,14}}?)的(?=(?:直播|短视频|种草|小红书|开场|开播|留人|产品介绍|卖点|促销|逼单|"
    r"催单|售后|下播|话术|文案|口播|脚本|全套|介绍|讲解|留人|互动))"
)
_LEAD = re.compile(
    r"^(?:是|的|一款|一个|个|这款|这个|那款|那个|我们家|我家|自家|咱家|我们|咱们|新款|新品|爆款|"
    r"热门|过(?![年冬夏滤敏夜节])|卖|讲|上|点|些|要|给|了|下|一下|帮我写|帮我|帮忙|"
    r"麻烦|写|来|弄|求|急需|[段条个篇]儿|一段|一条|一份|一版|段|条|份|说|有|叫|为|刚才|刚刚|今天|今晚|把|用|做|关于|成|出|搞|整|"
    r"生成|再|也|对|帮|请|老板|主推|"
    r"直播间?|品|双十一|双11|618|大促|活动|要卖|准备)+"
)
_TAIL = re.compile(
    r"(?:的|了|吧|呢|哈|啊|呀|呗|哦|话术|文案|脚本|开场|逼单|写|来|帮|给|再|就|也|要|吗|么|这|那|"
    r"今|同|按|专场|直播|段|条|场次|为主|接着|一起|各|都|"
    r"介绍|讲解|价格|原价|现价|只要|没|不|怎|有|是|讲|用|和|跟|到手|专用?).*$"
)
_SEGMENT = re.compile(rf"[^{_SEPARATORS}]+")
_TURNED = re.compile(r"(?<!品)(?<!名)(?<!字)(?:换成|改成)$|[,，]到$")
_LIKENESS = re.compile(r"(?:口?味|造型|图案|形状)(?!精|素)")
_WHOLE = re.compile(rf"{WORD}+")
#: Names in a list that are compared; longer ones are no request.
_MAX_LISTED = 24
_LIST = re.compile(rf"{WORD}+(?:、{WORD}+)+")
_ITEM = re.compile(rf"{WORD}+")


def find_products(
    text: str, lexicon: Lexicon, mentions: list[Mention], *, running_text: bool = False
) -> list[ProductMention]:
    """Product phrases of normalised `text` in order. In the running text of a pasted script only listed words
    and their modifiers count: what else stands to their left is a sentence.
    """
    text = without_dialects(text)
    listed = _listed(text, lexicon, mentions, running_text=running_text)
    if running_text:
        listed = [with_sauce(p, text) for p in listed]
        return sorted(
            [*listed, *pointed_at(text, lexicon, listed)],
            key=lambda p: not POINTING.search(text[: p.start]),
        )
    cut = [p for p in _cut_out(text, lexicon, mentions) if not any(_inside(p, other) for other in listed)]
    if not listed and not cut:
        return headed(text, lexicon, mentions) or sounding(text, lexicon, mentions)
    cut += _siblings(text, lexicon, mentions, listed)
    kept = [p for p in listed if not any(_inside(p, other) for other in cut)]
    merged: list[ProductMention] = []
    for product in sorted(kept + cut, key=lambda p: (p.start, -p.end)):
        if not merged or product.start >= merged[-1].end:
            merged.append(product)
    return merged


def answer_product(text: str, lexicon: Lexicon, mentions: list[Mention]) -> ProductMention | None:
    """The product when the whole text is the answer to "what is sold?", whatever it is called."""
    for segment in _SEGMENT.finditer(text):
        product = _trimmed(text, *segment.span(), lexicon, mentions)
        if product:
            return product
    return None


def _listed(
    text: str, lexicon: Lexicon, mentions: list[Mention], *, running_text: bool
) -> list[ProductMention]:
    found: list[ProductMention] = []
    for index, mention in enumerate(mentions):
        # 水果味 is a taste, not fruit.
        if mention.kind != "product" or _LIKENESS.match(text, mention.end):
            continue
        if found and found[-1].end == mention.start:
            previous = found.pop()
            is_set = SET.fullmatch(text, mention.start, mention.end)
            category = previous.category if is_set else mention.value
            found.append(ProductMention(previous.start, mention.end, category))
            continue
        floor = mentions[index - 1].end if index else 0
        start = extended(text, floor, mention.start, lexicon, running_text=running_text)
        category = lexicon.category_for(text[start : mention.start], mention.value)
        found.append(ProductMention(start, mention.end, category))
    return [p if running_text else completed(p, text, lexicon, mentions) for p in found]


def _cut_out(text: str, lexicon: Lexicon, mentions: list[Mention]) -> list[ProductMention]:
    found = []
    for pattern in (_NAMED, _OWNER):
        for match in pattern.finditer(text):
            product = _trimmed(text, *match.span(1), lexicon, mentions)
            # What something is turned into is a product only when it is known as one (改成闺蜜聊天).
            turned = _TURNED.search(text[max(0, product.start - 3) : product.start]) if product else None
            if product and not (turned and not product.category):
                found.append(product)
    return found


def _trimmed(
    text: str, start: int, end: int, lexicon: Lexicon, mentions: list[Mention]
) -> ProductMention | None:
    others = [m for m in mentions if m.kind != "product" and m.start < end and start < m.end]
    if others and others[0].kind == "category" and (narrowed := _narrowed(text, start, others[0], lexicon)):
        return narrowed
    if others and others[0].start > start:
        end = others[0].start
    elif others:
        return None
    lead = _LEAD.match(text[start:end])
    start += lead.end() if lead else 0
    inner = [m for m in mentions if m.kind == "product" and start <= m.start and m.end <= end]
    tail = _TAIL.search(text, inner[-1].end if inner else start + 1, end)
    if tail:
        end = tail.start()
    if inner and inner[-1].end < end:
        suffix = SET.match(text, inner[-1].end, end)
        end = suffix.end() if suffix else inner[-1].end
    if inner and (
        lexicon.stop.search(text, start, inner[0].start)
        or any(lexicon.stop.search(text, a.end, b.start) for a, b in pairwise(inner))
    ):
        return None
    phrase = text[start:end]
    if (
        len(phrase) == 1
        and text[start - 1 : start] in {"卖", "的", "点"}
        and phrase in lexicon.product_category
    ):
        return ProductMention(start, end, lexicon.product_category[phrase])
    if not 2 <= len(phrase) <= 12 or NOT_A_PRODUCT.search(phrase) or not _WHOLE.fullmatch(phrase):
        return None
    return shaped(ProductMention(start, end, lexicon.category_of(phrase)), text)


def _narrowed(text: str, start: int, category: Mention, lexicon: Lexicon) -> ProductMention | None:
    """进口零食, 大码女装: a category that is narrowed down by nothing but modifiers is a product."""
    lead = _LEAD.match(text[start : category.start])
    begin = start + (lead.end() if lead else 0)
    modified = extended(text, begin, category.start, lexicon, running_text=True) == begin < category.start
    return ProductMention(begin, category.end, category.value) if modified else None


def _siblings(
    text: str, lexicon: Lexicon, mentions: list[Mention], listed: list[ProductMention]
) -> list[ProductMention]:
    """Unlisted names between listed ones (鼠标、键盘、耳麦): a list names things of one kind."""

    def fills(product: ProductMention, end: int) -> bool:
        """Whether nothing but a new word follows in its item: 咸蛋黄流沙 is a point, no product."""
        follows = product.end == end or lexicon.stop.match(text, product.end)
        return product.start < end and bool(follows or any(m.start == product.end for m in mentions))

    found = []
    for run in _LIST.finditer(text):
        items = list(_ITEM.finditer(text, *run.span()))
        if len(items) > _MAX_LISTED:
            continue
        known = [
            i
            for i in items
            if any(p.start <= i.start() + 4 and i.start() <= p.start and fills(p, i.end()) for p in listed)
        ]
        if len(known) * 2 < len(items):
            continue
        for item in items:
            if item in known:
                continue
            product = _trimmed(text, *item.span(), lexicon, mentions)
            if (
                product
                and product.end - product.start <= 7
                and not lexicon.stop.search(text, product.start, product.end)
            ):
                found.append(product)
    return found


def _inside(inner: ProductMention, outer: ProductMention) -> bool:
    return (
        outer.start <= inner.start
        and inner.end <= outer.end
        and (inner.start, inner.end) != (outer.start, outer.end)
    )
