"""Finds the free-valued slots (price, length, selling points) as spans of the normalised instruction."""

from __future__ import annotations

import re

from .lexicon import Mention

Span = tuple[int, int]

_NUM = r"\d+(?:\.\d+)?"
_CN = r"[一二两三四五六七八九十百千]+"
_AMOUNT = rf"[¥￥]?(?:{_NUM}(?:块钱|块\d|块|元|rmb|米(?=包邮))?|{_CN}块{_CN}|{_CN}(?:块钱|元(?!旦|宵|气)))"
_MARKED_PRICE = re.compile(
    r"(?:到手价?|现价|活动价|直播价|直播间价?|券后价?|秒杀价?|特价|惊爆价|福利价|优惠价|只要|只卖|"
    r"仅需|才卖|只需|售价|卖价|价格|价位|"
    r"价钱|定价|单价|价)(?:是|为|改成|换成|改为|改到|调到|降到|只要|到|:|\s)*(" + _AMOUNT + r")"
)
_UNIT_PRICE = re.compile(rf"[¥￥]{_NUM}|(?<![\d.])(?!0元){_NUM}(?:块钱|块\d?|元|rmb)|{_CN}块{_CN}|{_CN}块钱")
_DECIMAL_PRICE = re.compile(
    r"(?<![\d.])\d+\.\d{1,2}(?![\d.]|\s*(?:折|寸|英寸|米|kg|g|ml|l|斤|倍|%|cm|版|升|秒|s|分|节|大促|w|万))"
)
_COUNTED_PRICE = re.compile(
    r"(?<![\d.])\d{1,5}(?=(?:一|两|二|三|四|五|[1-9])(?:大|小)?(?:套|盒|瓶|支|件|箱|包|袋|双|斤|罐|"
    r"只|台|对|串|桶|提|片|个|份|条|床|罐|本|根|颗|枚|把|张|卷|块|斤装|粒))"
)
_ADJECTIVAL_PRICE = re.compile(r"(?<![\d.])\d{2,5}(?=的(?!字|话术|文案|时候))")
_SOLD_FOR = re.compile(r"(?<![专热好外叫])卖到?(?P<price>\d{2,5}(?:\.\d+)?)(?=$|[,，。!！\s])")
_LONE_PRICE = re.compile(r"(?:(?<=[,，、\s])|^)\d{2,5}(?=[,，\s]|$)")
_REPLACED_NUMBER = re.compile(r"(?:换成|改成|改为|变成)(\d+(?:\.\d+)?(?:元|块)?)(?=$|[,，。:：\s])")
_FORMER_PRICE = re.compile(
    r"(?:原价|日常价?|平时|市场价|专柜价?|吊牌价?|以前|门店价?)(?:卖|要|是|为|:)?[¥￥]?$"
)

_LENGTH = re.compile(
    r"(?:(?:\d+\s*(?:-|~|到|至)\s*)?\d+\s*(?:个字|字(?!节|符)|秒钟|秒|s(?![a-z])|分钟|min(?:s|utes)?)"
    r"|一分半钟?|半分钟|(?:十|二十|三十|四十|五十|六十|九十|一百二十|[一二两三四五六七八九十]+)(?:秒钟?|分钟)"
    r"|[一二两三四五六七八九]?[十百千][一二三四五六七八九十百五]*(?:来|多)?(?:个字|字))"
)

_POINT_TRIGGER = re.compile(
    r"(?:(?:产品)?卖点(?:就是|主要是|包括|是|有|为|写|改成|换成|:|：)+|主打的?(?:是|就是)?|"
    r"突出(?:一下|的是|写)?|强调(?:一下|的是)?|特点(?:就是|是|有|:)+|"
    r"优点(?:就是|是|有|:)+|亮点(?:就是|是|有|:)+|优势(?:就是|是|有|:)+|重点(?:讲讲|讲|说说|说|"
    r"突出|是|放在)+|特色(?:是|就是|:)+)\s*"
)
_SEGMENT = re.compile(r"[^,，。;；!！?？\s:：]+")
_ITEM_SEPARATOR = re.compile(r"、|/|(?:以及|还有|并且|而且|又)|(?<![柔温暖平祥])(?:和|跟)(?!田)")
_NOT_A_POINT = re.compile(
    r"^\d+(?:\.\d+)?(?:[一两二三四五六七八九]|$)|写|来[一个段条份点]|^要|给我|帮|元|块|\d+字|\d+秒|"
    r"话术|文案|风格|主播|直播|短视频|口播|脚本|[一三两]段|一版|讲完|语气|产品|"
    r"今天|今晚|我们|咱|我是|价格|谢谢|麻烦|急|接着|下一个|卖的|就行|即可|吧$|呢$|更|再|多久|版本|"
    r"怎么|什么|开始|要求|目标|人群"
)
_POINT_TAIL = re.compile(
    r"(?:这些|这几个|这两个|这三个|这个|等)?(?:卖点|特点|优点|优势|亮点|几点|几个点|两点|三点|"
    r"这块)?(?:的|了|啊|呀|哦|哈|吧|就行)*$"
)


def find_price(text: str, *, marked_only: bool = False) -> Span | None:
    """The price asked for now: a marked one first (到手99), never the former one (原价199).

    `marked_only` keeps bare numbers out, for running text of a pasted script.
    """
    marked = [m.span(1) for m in _MARKED_PRICE.finditer(text) if not _is_former(text, m.start(1))]
    marked = [s for s in marked if not _LENGTH.match(text, s[0])]
    if marked:
        return marked[-1]
    patterns = [_UNIT_PRICE, _DECIMAL_PRICE]
    sold = _SOLD_FOR.search(text)
    if sold:
        return sold.span("price")
    if not marked_only:
        patterns += [_COUNTED_PRICE, _ADJECTIVAL_PRICE, _LONE_PRICE]
    for pattern in patterns:
        for match in pattern.finditer(text):
            if not _is_former(text, match.start()):
                return match.span()
    replaced = _REPLACED_NUMBER.search(text)
    return replaced.span(1) if replaced else None


def find_length(text: str) -> Span | None:
    """A number of characters, seconds or minutes, without 左右 or 以内."""
    for match in _LENGTH.finditer(text):
        if text[max(0, match.start() - 1) : match.start()] not in {"第", "每", "前", "后"}:
            return match.span()
    return None


def find_selling_points(text: str, mentions: list[Mention]) -> list[Span]:
    """Named points (主打轻薄、自带线) and free lists (遮瑕好、不卡粉) in the order typed."""
    for trigger in _POINT_TRIGGER.finditer(text):
        points = _points_after(text, trigger.end(), mentions)
        if points:
            return points
    for segment in _SEGMENT.finditer(text):
        if "、" in segment[0]:
            items = _items(text, segment.span(), mentions, strict=True)
            if len(items) >= 2:
                return items
    return []


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
        if _is_listed(item, mentions) or len(word) > 14 or _NOT_A_POINT.search(word):
            if strict:
                return []
            break
        items.append(item)
    return items


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
