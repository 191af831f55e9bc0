"""Finds the price and the length that an instruction states, as spans of its normalised text."""

from __future__ import annotations

import re
from collections.abc import Iterable

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
    r"(?:[半一两二三四五六七八九十]|\d)(?:大|小)?(?:套|盒|瓶|支|件|箱|包|袋|双|斤|罐|只|台|对|串|桶|提|片|个|份|床|本|根|颗|枚|把|张|卷|"
    r"块|副|顶|辆|组|板|听|条)装?(?P<price>\d{2,5}(?:\.\d{1,2})?)(?=$|[,，。!！;；、\s]|包邮|的|写|帮|给|来)"
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
#: 拍下119, 补贴后1499: words that make a price of a number only where nothing is counted by it.
_DEAL = re.compile(
    r"(?:拍下?|打完?折后?|折后|[券劵]后|领完?[券劵]后?|用完?[券劵]后?|叠完?[券劵]后?|补贴完?后?|优惠后|满减后|(?:领[券劵])?(?:满减|减|减免|减扣)完后?|(?:活动|优惠|算|折)下来|补完差价|下单|首发|尝鲜|一口价|"
    r"会员|团购|拼团|买.送.|特惠|秒杀|限时|促销|打包|[低特]价|开团|直降到?|[砍杀]到|抄底|均价|才|只|仅|不到|不过|[全整]套|直播间|今[天晚儿]|现在|到手|平均|[一每单](?:片|包|个|张|根|粒|颗|只|支|次|杯|块|件|瓶|盒|"
    r"袋|罐|斤|双|套|本|条))(?:价|都|也|就|只|才|要|卖|是|合|不到|大概|差不多|下来|之?后)*(?:[一每单](?:片|包|个|张|根|粒|颗|只|支|次|杯|块|件|瓶|盒|袋|罐|斤|"
    r"双|套|本|条))?(?:就|只|才|要|卖|是|合|不到)*"
    rf"(?P<price>(?:\d{{2,5}}(?:\.\d{{1,2}})?|\d\.\d{{1,2}}|{_CN}块[一二三四五六七八九]?|[一二两三四五六七八九\d]毛[一二三四五六七八九\d]?)(?:块钱|元|块|钱)?)"
    r"(?=$|[,，。!！;；、\s/]|包邮|到手|带走|拿走|起|一[片包个张根粒颗只支次杯块件瓶盒袋罐斤双套本条])"
)
#: 今晚49到手
_TAKEN_FOR = re.compile(r"(?<![\d.])(?P<price>\d{1,5}(?:\.\d{1,2})?)(?=到手|带走|拿走|抱走|拿下|带回家|封顶)")
_BARE_PRICE = re.compile(r"(?P<price>\d{2,5}(?:\.\d{1,2})?)(?=$|[,，。!！;；、\s]|包邮|一|写|帮|给|来)")
_FORMER_PRICE = re.compile(
    r"(?:原价|日常价?|平时|市场价|专柜价?|吊牌价?|以前|门店价?)(?:卖|要|是|为|:)?[¥￥]?$"
)

LENGTH = re.compile(
    r"(?:(?:\d+\s*(?:-|~|到|至)\s*)?\d+\s*(?:个字|字(?!节|符)|秒钟|秒|s(?![a-z])|分钟|min(?:s|utes)?)"
    r"|一分半钟?|半分钟|(?:十|二十|三十|四十|五十|六十|九十|一百二十|[一二两三四五六七八九十]+)(?:秒钟?|分钟)"
    r"|[一二两三四五六七八九]?[十百千][一二三四五六七八九十百五]*(?:来|多)?(?:个字|字))"
)

#: 20分钟后开播 says when, not how long.
_MOMENT = re.compile(r"(?:之?后|以后|前)(?:就|要|开|上|播|直|$)|就要|发货|到账|到货")


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
        named = _PRICE_FOR_COUNT.search(text) or _TODAY.search(text) or _deal(text) or next(bare, None)
        patterns += [_COUNTED_PRICE, _ADJECTIVAL_PRICE, _LONE_PRICE]
    if named:
        return named.span("price")
    for pattern in patterns:
        for match in pattern.finditer(text):
            if not _is_former(text, match.start()):
                return match.span()
    replaced = _CORRECTED_PRICE.search(text) or _REPLACED_NUMBER.search(text)
    return replaced.span(1) if replaced else None


def _deal(text: str) -> re.Match[str] | None:
    deals = (*_DEAL.finditer(text), *_TAKEN_FOR.finditer(text))
    return next((d for d in deals if not _is_former(text, d.start("price"))), None)


def find_length(text: str) -> Span | None:
    """A number of characters, seconds or minutes, without 左右 or 以内."""
    for match in LENGTH.finditer(text):
        before = text[max(0, match.start() - 1) : match.start()]
        if before not in {"第", "每", "前", "后"} and not _MOMENT.match(text, match.end()):
            return match.span()
    return None


def _is_marked(text: str, start: int) -> bool:
    """Whether an amount behind 到手 or 价 is a price of today and no length (价格说30秒)."""
    return not (_is_former(text, start) or LENGTH.match(text, start))


def _is_former(text: str, start: int) -> bool:
    return bool(_FORMER_PRICE.search(text[max(0, start - 6) : start]))
