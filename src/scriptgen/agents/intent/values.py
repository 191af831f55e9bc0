"""Finds the free-valued slots (price, length, selling points) as spans of the normalised instruction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from .lexicon import Mention
from .qualities import is_quality

Span = tuple[int, int]

_NUM = r"\d+(?:\.\d+)?"
_CN = r"[一二两三四五六七八九十百千]+"
_AMOUNT = (
    rf"[¥￥]?(?:{_NUM}(?:块钱|块\d|块|元|rmb|米(?=包邮))?|{_CN}块[一二三四五六七八九]|"
    rf"{_CN}(?:块钱|元(?!旦|宵|气)))"
)
_MARKED_PRICE = re.compile(
    r"(?:到手价?|现价|活动价|直播价|直播间价?|券后价?|秒杀价?|特价|惊爆价|福利价|优惠价|只要|只卖|"
    r"仅需|才卖|只需|售价|卖价|价格|价位|"
    r"价钱|定价|单价|降到|降至|降成|调到|涨到|减到|现在只?卖?|价)(?:是|为|改成|换成|改为|改到|写成|写上|写|改|换|调到|调成|降到|只要|到|:|\s)*("
    + _AMOUNT
    + rf"|{_CN}(?=$|[,，。\s]))"
)
_UNIT_PRICE = re.compile(
    rf"[¥￥]{_NUM}|(?<![\d.])(?!0元){_NUM}(?:块钱|块\d?|元|rmb)|{_CN}块[一二三四五六七八九]|{_CN}块钱"
)
_DECIMAL_PRICE = re.compile(
    r"(?<![\d.])\d+\.\d{1,2}(?![\d.]|\s*(?:折|寸|英寸|米|kg|g|ml|l|斤|倍|%|cm|版|升|秒|s|分|节|大促|w|万))"
)
_COUNTED_PRICE = re.compile(
    r"(?<![\d.])\d{1,5}(?:\.\d{1,2})?(?=(?:/?[一两二三四五]|/[1-9])(?:大|小)?(?:套|盒|瓶|支|件|箱|包|袋|双|斤|罐|"
    r"只|台|对|串|桶|提|片|个|份|条|床|罐|本|根|颗|枚|把|张|卷|块|斤装|粒|饼|板|组|幅|副|顶|辆|束|盆|株|打|扎|捆|筐|篓|坛|听|筒|贴|架))"
)
#: 待产包一套398, 3盒59: a count before, nothing behind.
_PRICE_FOR_COUNT = re.compile(
    r"(?:[一两二三四五六七八九十]|\d)(?:大|小)?(?:套|盒|瓶|支|件|箱|包|袋|双|斤|罐|只|台|对|串|桶|提|片|个|份|床|本|根|颗|枚|把|张|卷|"
    r"块|副|顶|辆|组|板|听|条)(?P<price>\d{2,5}(?:\.\d{1,2})?)(?=$|[,，。!！;；、\s]|包邮|的|写|帮|给|来)"
)
_ADJECTIVAL_PRICE = re.compile(r"(?<![\d.])\d{2,5}(?=的(?!字|话术|文案|时候))")
_SOLD_FOR = re.compile(r"(?<![专热好外叫])卖到?(?P<price>\d{2,5}(?:\.\d+)?)(?=$|[,，。!！\s])")
_LONE_PRICE = re.compile(r"(?:(?<=[,，、\s])|^)\d{2,5}(?=[,，\s]|$)")
#: 价格写错了，应该是219
_CORRECTED_PRICE = re.compile(
    r"[价钱][^\d]{0,12}(?:应该是|应该|得是|其实是|实际是|是)(\d+(?:\.\d+)?(?:元|块)?)(?![\d字秒])"
)
_REPLACED_NUMBER = re.compile(r"(?:换成|改成|改为|变成)(\d+(?:\.\d+)?(?:元|块)?)(?=$|[,，。:：\s])")
#: 价格39.9改成29.9: the second holds.
_NEW_PRICE = re.compile(
    rf"[¥￥]?{_NUM}(?:块钱|元|块)?(?:[写报说]?[错不]对?了?,?(?:应该)?|都|全|统一)?(?:换成|改成|改为|换为|变成|改到|调到|调成|降到|涨到)"
    rf"(?P<price>[¥￥]?{_NUM}(?:块钱|元|块)?)(?![\d字秒s%折分])"
)
_TODAY = re.compile(
    r"(?:今天|今晚|现在|直播间|今儿)(?:只要|才|卖|是|就)?(?P<price>\d{2,5}(?:\.\d{1,2})?)(?=$|[,，。!！\s])"
)
_BARE_PRICE = re.compile(r"(?P<price>\d{2,5}(?:\.\d{1,2})?)(?=$|[,，。!！;；、\s]|包邮|一|写|帮|给|来)")
_FORMER_PRICE = re.compile(
    r"(?:原价|日常价?|平时|市场价|专柜价?|吊牌价?|以前|门店价?)(?:卖|要|是|为|:)?[¥￥]?$"
)

_LENGTH = re.compile(
    r"(?:(?:\d+\s*(?:-|~|到|至)\s*)?\d+\s*(?:个字|字(?!节|符)|秒钟|秒|s(?![a-z])|分钟|min(?:s|utes)?)"
    r"|一分半钟?|半分钟|(?:十|二十|三十|四十|五十|六十|九十|一百二十|[一二两三四五六七八九十]+)(?:秒钟?|分钟)"
    r"|[一二两三四五六七八九]?[十百千][一二三四五六七八九十百五]*(?:来|多)?(?:个字|字))"
)

#: 20分钟后开播 says when, not how long.
_MOMENT = re.compile(r"(?:之?后|以后|前)(?:就|要|开|上|播|直|$)|就要|发货|到账|到货")
_POINT_TRIGGER = re.compile(
    r"(?:(?:加上?|补上?|增加|添加|加入|加进)(?:一?[个条]|[一两]个)?卖点(?:是|叫|:)?|"
    r"(?:关键词|关键点|核心|好处|长处|强项|看点|胜在|好在|赢在|优点)(?:就是|主要是|是|就|有|为|:)+|"
    r"(?:产品)?卖点(?:就是|主要是|包括|是|有|为|写|改成|换成|(?:再|里)?加上?(?:一?[个条])?|:|：)+|主打的?(?:是|就是)?|"
    r"突出(?:一下|的是|写)?|强调(?:一下|的是)?|特点(?:就是|是|有|:)+|"
    r"优点(?:就是|是|有|:)+|亮点(?:就是|是|有|:)+|优势(?:就是|是|有|:)+|重点(?:讲讲|讲|说说|说|"
    r"突出|是|放在)+|特色(?:是|就是|:)+)\s*"
)
_POINTS = re.compile("[卖优亮特][点势色]|好处|看点")
_SEGMENT = re.compile(r"[^,，。;；!！?？\s:：]+")
_ITEM_SEPARATOR = re.compile(r"、|/|(?:以及|还有|并且|而且|又)|(?<![柔温暖平祥])(?:和|跟)(?!田)")
_NOT_A_POINT = re.compile(
    r"^[¥￥]?\d+(?:\.\d+)?(?:[一两二三四五六七八九]|$)|(?<![读书手])写|来[一个段条份点]|^要|给我|帮|元|块|\d+字|\d+秒|"
    r"^.{0,6}[\d一两三四五六][条段版份]$|话术|文案|风格|主播|直播|短视频|口播|脚本|[一三两]段|一版|讲完|语气|产品|"
    r"今天|今晚|我们|咱|我是|价格|[单售特底]价|价\d|谢谢|麻烦|急|接着|下一个|卖的|就行|即可|吧$|(?<![面毛花])呢$|更|再|多久|版本|"
    r"怎么|什么|字数|开始|要求|目标|人群|能不能|会不会|是不是|可不可以|吗$|是否"
)
_NOT_TOLD = re.compile(
    r"面向|适合|针对|[一二两三四五六七八九十\d]|[点些]$|用|急|快|谢|[今明]|晚|给|别|不要|要|太|像|风|感觉?$|口吻|好听|自然|人设|可以|感性|稿|发我|吸引|"
    r"[的吧呗啊呀哈了吗哦]$|帮|我|你|就|先|再|改|换|同|这|那|一"
)
_POINT_TAIL = re.compile(
    r"(?:这些|这几个|这两个|这三个|这个|等)?(?:卖点|特点|优点|优势|亮点|几点|几个点|两点|三点|"
    r"这块)?(?:的|了|啊|呀|哦|哈|吧|就行)*$"
)


def find_price(text: str, *, marked_only: bool = False, product_ends: Iterable[int] = ()) -> Span | None:
    """The price asked for now: a marked one first (到手99), never the former one (原价199).

    `marked_only` keeps bare numbers out, for running text of a pasted script. A bare number straight behind
    a product (口红99，写个促销) is its price.
    """
    named = None if marked_only else _NEW_PRICE.search(text)
    marked = (
        [] if named else [m.span(1) for m in _MARKED_PRICE.finditer(text) if _is_marked(text, m.start(1))]
    )
    if marked:
        return marked[-1]
    named = named or _SOLD_FOR.search(text)
    patterns = [_UNIT_PRICE, _DECIMAL_PRICE]
    if not (named or marked_only):
        bare = (match for end in product_ends if (match := _BARE_PRICE.match(text, end)))
        named = _PRICE_FOR_COUNT.search(text) or _TODAY.search(text) or next(bare, None)
        patterns += [_COUNTED_PRICE, _ADJECTIVAL_PRICE, _LONE_PRICE]
    if named:
        return named.span("price")
    for pattern in patterns:
        for match in pattern.finditer(text):
            if not _is_former(text, match.start()):
                return match.span()
    replaced = _CORRECTED_PRICE.search(text) or _REPLACED_NUMBER.search(text)
    return replaced.span(1) if replaced else None


def find_length(text: str) -> Span | None:
    """A number of characters, seconds or minutes, without 左右 or 以内."""
    for match in _LENGTH.finditer(text):
        before = text[max(0, match.start() - 1) : match.start()]
        if before not in {"第", "每", "前", "后"} and not _MOMENT.match(text, match.end()):
            return match.span()
    return None


def find_selling_points(text: str, mentions: list[Mention], product_ends: Sequence[int] = ()) -> list[Span]:
    """Named points (主打轻薄、自带线), free lists (遮瑕好、不卡粉) and single qualities of a product that the
    text names (电饭煲的逼单，不粘锅), in the order typed.
    """
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
        if not _continues(text, segment.span(), mentions) or _NOT_TOLD.search(word) or _LENGTH.search(word):
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


def _is_marked(text: str, start: int) -> bool:
    """Whether an amount behind 到手 or 价 is a price of today and no length (价格说30秒)."""
    return not (_is_former(text, start) or _LENGTH.match(text, start))


def _is_former(text: str, start: int) -> bool:
    return bool(_FORMER_PRICE.search(text[max(0, start - 6) : start]))


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
    cuts = [m.span() for m in _ITEM_SEPARATOR.finditer(text, *span)] + [(span[1], span[1])]
    for cut_start, cut_end in cuts:
        item = _trim(text, start, cut_start)
        start = cut_end
        if item[1] - item[0] < 2:
            continue
        word = text[item[0] : item[1]]
        if _is_listed(item, mentions) or len(word) > 14 or _NOT_A_POINT.search(word) or _LENGTH.match(word):
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
