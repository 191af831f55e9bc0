"""Finds the products a text names: the whole noun phrase as typed, and its category when a head is known."""

from __future__ import annotations

import re

import msgspec

from .lexicon import Lexicon, Mention


class ProductMention(msgspec.Struct, frozen=True):
    """A product phrase in the text. `category` is "" when its head is unknown."""

    start: int
    end: int
    category: str


_WORD = r"[一-龥a-z0-9+·-]"
_SEPARATORS = r",，。、!！?？;；:：\s\"()（）~\n"
_SET = re.compile(r"(?:礼盒|礼袋|套装|套盒|组合装?|家庭装|系列|旗舰款|大礼包|礼包|套组|pro|max|plus)+")
#: Where a product stands whatever it is called; the phrase runs to the next separator and is trimmed.
_NAMED = re.compile(
    r"(?:(?:产品|商品|单品|宝贝|主推款)(?:名字?|名称)?(?:就?是|叫|为|换成|改成|改为|:|：)+|"
    r"产品名?(?:换|改)成|品名?(?:是|换成|改成|叫)|"
    r"(?:主要|专门|专|家是?|我们|咱们?|是|我|今天|今晚|晚上|年货节|活动|换)?(?:卖|主卖|主推|主营|"
    r"专卖|主要做)(?:的是|的就是|的品是|点|些|一款|个)?|"
    r"(?:接下来|接着|下面|然后|现在|下一个|下个|换|改|再|今天|今晚|继续)(?:品|产品|商品|单品|款|"
    r"链接|要|来|我们|咱们?)*(?:是|讲|卖|上|播|介绍|推|换|到|带)(?:的是|的|一款|一下)?|"
    r"下一个品?(?:是)?|下个品?(?:是)?|下一款(?:是)?|轮到|换成|改成|换到|换个品[,，:：]?|"
    r"回到(?:刚才)?(?:那个|的|那款)?|关于|有款|有个)"
    rf"({_WORD}{{2,16}})"
)
_OWNER = re.compile(
    rf"({_WORD}{{2,14}}?)的(?=(?:直播|短视频|种草|小红书|开场|开播|留人|产品介绍|卖点|促销|逼单|"
    r"催单|售后|下播|话术|文案|口播|脚本|全套|介绍|讲解))"
)
_LEAD = re.compile(
    r"^(?:是|的|一款|一个|个|这款|这个|那款|那个|我们家|我家|自家|咱家|我们|咱们|新款|新品|爆款|"
    r"热门|卖|讲|上|点|些|要|给|了|下|一下|帮我写|帮我|"
    r"写|来|一段|一条|一份|一版|段|条|份|说|有|叫|为|刚才|刚刚|今天|今晚|把|用|做|关于|成|出|搞|整|"
    r"生成|再|也|对|帮|请|老板|主推|"
    r"直播间?|品|双十一|双11|618|大促|活动|要卖|准备)+"
)
_TAIL = re.compile(
    r"(?:的|了|吧|呢|哈|啊|呀|呗|哦|话术|文案|脚本|开场|逼单|写|来|帮|给|再|就|也|要|吗|么|这|那|"
    r"今|同|按|专场|直播|段|条|场次|为主|接着|一起|各|都|"
    r"介绍|讲解|价格|原价|现价|只要|没|不|怎|有|是|讲|用|和|跟|到手|专用?).*$"
)
_NOT_A_PRODUCT = re.compile(
    r"话术|文案|直播|视频|脚本|产品|商品|东西|活动|风格|语气|口吻|开头|结尾|标题|版本|问候|内容|"
    r"主题|方式|方法|什么|哪|啥|怎么|一下|"
    r"一点|个说法|名字|品牌|[们我你他她它]|提问|互动|信息|链接|关注|优惠|福利|价格|^[0-9.]+[a-z]*$|"
    r"品类|别的|其他|另|下单|点赞|大家|"
    r"普通话|[粤川]|东北|方言|英文|日文|韩文|英语|日语|韩语|翻译|正式|自然|第[一二三四五]|刚才|"
    r"之前|上一|最后|谢谢|全套|整套|随便|都行|都可以|不限|继续|换成|再来|"
    r"[力感性]$|聊天|简单|吸引|不同|自然|真诚|有趣|精彩|完整|详细|简短|优秀|好听|合适|通用|常见|"
    r"高质量|原来|同样|相同|这|那|每|"
    r"没人|不出单|卖不动|下播|开播|上播|主播|达人|[0-9]+[字秒元块]|所有|全部|整场|各种|好评|表达|"
    r"词|句|称呼|姐妹|家人|宝宝们|亲们|数字"
)


def find_products(
    text: str, lexicon: Lexicon, mentions: list[Mention], *, running_text: bool = False
) -> list[ProductMention]:
    """Product phrases of normalised `text` in order. In the running text of a pasted script only listed words
    and their modifiers count: what else stands to their left is a sentence.
    """
    listed = _listed(text, lexicon, mentions, running_text=running_text)
    if running_text:
        return listed
    cut = [p for p in _cut_out(text, lexicon, mentions) if not any(_inside(p, other) for other in listed)]
    kept = [p for p in listed if not any(_inside(p, other) for other in cut)]
    merged: list[ProductMention] = []
    for product in sorted(kept + cut, key=lambda p: (p.start, -p.end)):
        if not merged or product.start >= merged[-1].end:
            merged.append(product)
    return merged


def answer_product(text: str, lexicon: Lexicon, mentions: list[Mention]) -> ProductMention | None:
    """The product when the whole text is the answer to "what is sold?", whatever it is called."""
    for segment in re.finditer(rf"[^{_SEPARATORS}]+", text):
        product = _trimmed(text, *segment.span(), lexicon, mentions)
        if product:
            return product
    return None


def _listed(
    text: str, lexicon: Lexicon, mentions: list[Mention], *, running_text: bool
) -> list[ProductMention]:
    found: list[ProductMention] = []
    ends = [m.end for m in mentions]
    for mention in mentions:
        if mention.kind != "product":
            continue
        if found and found[-1].end == mention.start:
            previous = found.pop()
            found.append(ProductMention(previous.start, mention.end, mention.value))
            continue
        floor = max((end for end in ends if end <= mention.start), default=0)
        start = _extended(text, floor, mention.start, lexicon, running_text=running_text)
        found.append(ProductMention(start, mention.end, mention.value))
    return [
        ProductMention(p.start, suffix.end(), p.category) if (suffix := _SET.match(text, p.end)) else p
        for p in found
    ]


def _extended(text: str, floor: int, start: int, lexicon: Lexicon, *, running_text: bool) -> int:
    """Moves `start` left over modifiers (无糖), outside running text also over a short unlisted brand."""
    while True:
        modifier = lexicon.modifiers.search(text[max(floor, start - 6) : start])
        if not modifier:
            break
        start -= len(modifier[0])
    if running_text:
        return start
    left = max(floor, start - 12)
    run = re.search(rf"{_WORD}*$", text[left:start])
    word = run[0] if run else ""
    stops = [m.end() for m in lexicon.stop.finditer(word)]
    brand = word[stops[-1] :] if stops else word
    at_boundary = bool(stops) or len(word) < start - left or left == floor
    return start - len(brand) if at_boundary and 2 <= len(brand) <= 4 else start


def _cut_out(text: str, lexicon: Lexicon, mentions: list[Mention]) -> list[ProductMention]:
    found = []
    for pattern in (_NAMED, _OWNER):
        for match in pattern.finditer(text):
            product = _trimmed(text, *match.span(1), lexicon, mentions)
            # What something is turned into is a product only when it is known as one (改成闺蜜聊天).
            turned = (
                re.search(r"(?<!品)(?<!名)(?<!字)(?:换成|改成)$", text[: product.start]) if product else None
            )
            if product and not (turned and not product.category):
                found.append(product)
    return found


def _trimmed(
    text: str, start: int, end: int, lexicon: Lexicon, mentions: list[Mention]
) -> ProductMention | None:
    others = [m for m in mentions if m.kind != "product" and m.start < end and start < m.end]
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
        suffix = _SET.match(text, inner[-1].end, end)
        end = suffix.end() if suffix else inner[-1].end
    if inner and lexicon.stop.search(text, start, inner[0].start):
        return None
    phrase = text[start:end]
    if not 2 <= len(phrase) <= 12 or _NOT_A_PRODUCT.search(phrase) or not re.fullmatch(rf"{_WORD}+", phrase):
        return None
    return ProductMention(start, end, lexicon.category_of(phrase))


def _inside(inner: ProductMention, outer: ProductMention) -> bool:
    return (
        outer.start <= inner.start
        and inner.end <= outer.end
        and (inner.start, inner.end) != (outer.start, outer.end)
    )
