"""The fact guard: figures, materials, certificates and awards a script claims but the product does not state.

Its findings need evidence, they never block. Without stated facts it finds nothing, and it leaves ordinary
counting words (一款, 第一次, 三号链接, 倒数三个数) alone.
"""

# ruff: noqa: E501 - word lists read better whole
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import Final

from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product

from .numbers import number_in

_BASIS: Final = "《中华人民共和国广告法》第十一条、第二十八条"
_WIDE: Final = {0xFF01 + i: 0x21 + i for i in range(94)}  # full-width ASCII, same length

_CHINESE: Final = "[零〇一二两三四五六七八九十百千万]"
_NUMBER: Final = rf"(?:[0-9]+(?:,[0-9]{{3}})*(?:\.[0-9]+)?(?:[万千百])?|百分之(?:百|{_CHINESE}+)|{_CHINESE}+)"
#: unit as written → what it measures; the same measure makes 99块 and 99元 one figure.
_UNITS: Final = {
    "块钱": "元", "元钱": "元", "元": "元", "块": "元", "rmb": "元",
    "折": "折", "%": "%", "个点": "%",
    "千克": "千克", "公斤": "千克", "kg": "千克", "克": "克", "g": "克", "斤": "斤", "毫克": "毫克", "mg": "毫克", "两": "两",
    "毫升": "毫升", "ml": "毫升", "升": "升", "毫米": "毫米", "mm": "毫米", "厘米": "厘米", "公分": "厘米", "cm": "厘米",
    "米": "米", "英寸": "英寸", "寸": "英寸", "平米": "平方米", "平方米": "平方米", "克拉": "克拉", "支纱": "支", "支羊毛": "支",
    "毫安时": "毫安", "毫安": "毫安", "mah": "毫安", "瓦": "瓦", "w": "瓦", "千瓦": "千瓦", "伏": "伏", "赫兹": "赫兹", "hz": "赫兹",
    "gb": "gb", "tb": "tb", "万像素": "万像素", "分贝": "分贝", "摄氏度": "度", "℃": "度", "卡": "卡", "大卡": "大卡", "千焦": "千焦",
    "倍": "倍", "层": "层", "道工序": "道工序", "颗": "颗", "片": "片",
}  # fmt: skip
_DURATIONS: Final = (
    "个小时",
    "小时",
    "分钟",
    "秒钟",
    "秒",
    "个月",
    "个星期",
    "星期",
    "周",
    "天",
    "年",
    "季",
    "次",
    "遍",
)
_SALES_UNITS: Final = ("万单", "万件", "万瓶", "万份", "万人", "单", "件", "瓶", "份", "盒", "双", "台", "支", "套", "箱", "袋", "人", "家庭", "个家庭", "位", "条", "包", "册", "本", "好评", "条好评", "个宝妈", "用户", "粉丝")  # fmt: skip


def _any(words: Iterator[str] | tuple[str, ...] | list[str]) -> str:
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


_MEASURE: Final = re.compile(rf"(?P<n>{_NUMBER})\s?(?P<u>{_any(list(_UNITS))})(?![a-z])", re.IGNORECASE)
_PERCENT: Final = re.compile(rf"百分之(?P<n>百|{_CHINESE}+)")
_BARE_PRICE: Final = re.compile(
    rf"(?:只要|只需|仅需|仅要|到手价?|活动价|券后价?|现价|原价|专柜价|吊牌价|日常价|直播价|售价|价格是?|卖|立减|直降|立省|省下?|便宜|优惠)(?:了|是|才|只要|要)?\s?(?P<n>[0-9]+(?:\.[0-9]+)?|{_CHINESE}{{2,}})(?![0-9.个款次号点天年月折%件支]|分钟)"
)
_DURATION: Final = re.compile(rf"(?P<n>{_NUMBER})(?P<u>{_any(_DURATIONS)})")
_ABOUT_PRODUCT: Final = re.compile(
    r"持妆|续航|保质期|质保|保修|待机|充电|充满|保鲜|保温|保冷|定妆|带妆|留香|防晒|耐用|锁水|保湿|能用|能听|能放|播放|熟成|发酵|陈酿|晾晒|手工|打磨|窖藏|熬制|可水洗|能洗|水洗|窖藏|包换|换新|寿命|年份|储存|存放|恒温|保持|持久|长效"
)
_SALES: Final = re.compile(
    rf"(?:卖了|卖出|卖掉|销量|销售|售出|已售|月销|年销|累计|热卖|回购|复购|好评|粉丝|下单过|用户|被|超过|已经有|服务|交付)[^。！？，；,!?;]{{0,6}}?(?P<n>{_NUMBER})[多来余+]?(?P<u>{_any(_SALES_UNITS)})"
)
_GRADE: Final = re.compile(r"(?P<g>SPF|UPF|PA|IP|IPX)\s?(?P<n>[0-9]+\+*|\++)", re.IGNORECASE)
_NAMED: Final = (
    (
        "材质",
        re.compile(
            "羊绒|真丝|桑蚕丝|蚕丝|纯棉|长绒棉|新疆棉|精梳棉|头层牛皮|头层|牛皮|羊皮|真皮|羊毛|亚麻|竹纤维|莫代尔|天丝|白鹅绒|鹅绒|鸭绒|貂毛|兔毛|纯银|足银|足金|[0-9]{1,2}k金|925银|s925|和田玉|翡翠|珍珠|钻石|水晶|不锈钢|钛合金|纯钛|铝合金|实木|红木|紫檀|花梨|乳胶|记忆棉|食品级硅胶|硅胶|骨瓷|高硼硅|玻尿酸|透明质酸|烟酰胺|神经酰胺|视黄醇|a醇|水杨酸|玻色因|胜肽|氨基酸|胶原蛋白|角鲨烷|积雪草|熊果苷|虾青素|富勒烯|燕窝|人参|益生菌|dha|乳铁蛋白|花青素",
            re.IGNORECASE,
        ),
    ),
    (
        "认证",
        re.compile(
            r"有机认证|3c认证|fda认证|fda|ce认证|iso\s?[0-9]+|sgs|欧盟认证|绿色食品|地理标志|非转基因|[ab]类(?:标准|面料)?|婴幼儿标准|专利(?:技术|配方)?|蓝帽(?:子)?|特证|国妆特字|haccp|清真认证|无麸质认证|莱茵认证|tuv|oeko-?tex|能效一级|一级能效|gia证书|鉴定证书|检测报告|质检报告",
            re.IGNORECASE,
        ),
    ),
    (
        "奖项",
        re.compile(r"红点设计奖|红点奖?|if设计奖|if奖|金奖|银奖|铜奖|大奖|设计奖|创新奖|品质奖|优秀奖|喜爱奖|获奖|奖杯|冠军奖", re.IGNORECASE),
    ),
)  # fmt: skip
_IGNORED_AROUND: Final = re.compile(r"(?:第|[倒读]数)$")
_LAWFUL: Final = re.compile(
    r"七天无理由|7天无理由|七天之?内|(?:48|24|四十八|二十四)个?小时(?:之?内)?(?:发货|发出|发|客服|在线)|七日无理由|抽奖|开奖|中奖|颁奖"
)
_EXPERIENCE: Final = re.compile(
    r"我(?:自己|本人|家里?|每天|也|一直|平时|从)?[^。！？，；,!?;]{0,8}?(?:用|穿|吃|喝|敷|抹|戴|背)(?:了|过|到|完|掉)[^。！？；!?;，,]{0,10}(?:天|个月|年|瓶|盒|支|次|遍|袋|双|现在|空瓶)"
)


@dataclass(frozen=True, slots=True)
class _Figure:
    value: Decimal
    measure: str  # "" when no unit was given


class FactGuard:
    """What one product states. `review` is empty when it states nothing."""

    def __init__(self, product: Product | None, *, first_person: bool = True) -> None:
        self._first_person = first_person
        stated = (
            [product.name, product.brand, product.price, *product.selling_points]
            + [f"{name} {value}" for name, value in product.facts.items()]
            if product is not None
            else []
        )
        self._active = product is not None and bool(product.facts or product.price or product.selling_points)
        self._blob = "\n".join(stated).translate(_WIDE).casefold().replace(" ", "")
        figures = {f for text in stated for f in _figures(text.translate(_WIDE).casefold())}
        if product is not None and product.price:
            price = _value(product.price)
            if price is not None:
                figures.add(_Figure(price, "元"))
        self._figures = figures | set(_derived(figures))
        self._bare = {
            v
            for text in stated
            for match in re.finditer(_NUMBER, text.translate(_WIDE))
            if (v := _value(match.group())) is not None
        }

    def review(self, text: str) -> list[QualityIssue]:
        issues: list[QualityIssue] = []
        if self._active:
            folded = text.translate(_WIDE)
            issues.extend(self._unsupported(text, folded))
        if not self._first_person:
            issues.extend(
                _finding(text, *m.span(), "没有依据的亲身体验", "只在主播确有使用经历时说亲身体验")
                for m in _EXPERIENCE.finditer(text)
            )
        return issues

    def _unsupported(self, text: str, folded: str) -> Iterator[QualityIssue]:
        taken: list[tuple[int, int]] = [m.span() for m in _LAWFUL.finditer(folded)]
        for start, end, figure in _claims(folded):
            if any(a < end and start < b for a, b in taken):
                continue
            taken.append((start, end))
            if not self._states(figure):
                yield _finding(
                    text, start, end, "商品资料中没有的数字", "只用商品资料里给出的数字、价格和时长"
                )
        lowered = folded.casefold() if len(folded.casefold()) == len(folded) else folded
        for match in _GRADE.finditer(lowered):
            if match.group().replace(" ", "") not in self._blob:
                yield _finding(text, *match.span(), "商品资料中没有的等级", "只用商品资料里给出的等级")
        for kind, pattern in _NAMED:
            for match in pattern.finditer(lowered):
                inside = any(a < match.end() and match.start() < b for a, b in taken)
                if not inside and match.group().replace(" ", "") not in self._blob:
                    yield _finding(
                        text, *match.span(), f"商品资料中没有的{kind}", f"只说商品资料里给出的{kind}"
                    )

    def _states(self, figure: _Figure) -> bool:
        if figure in self._figures:
            return True
        known = {f for f in self._figures if f.value == figure.value and f.measure}
        return not known and figure.value in self._bare


def _claims(text: str) -> Iterator[tuple[int, int, _Figure]]:  # noqa: C901 - one loop a kind of figure
    for match in _PERCENT.finditer(text):
        value = Decimal(100) if match["n"] == "百" else _value(match["n"])
        if value is not None:
            yield *match.span(), _Figure(value, "%")
    for match in _MEASURE.finditer(text):
        if not _counts(text, match):
            continue
        value = _value(match["n"])
        if value is not None:
            yield *match.span(), _Figure(value, _UNITS[match["u"].casefold()])
    for match in _SALES.finditer(text):
        value = _value(match["n"])
        if value is not None:
            yield match.start("n"), match.end(), _Figure(value, "")
    for match in _BARE_PRICE.finditer(text):
        value = _value(match["n"])
        if value is not None:
            yield *match.span("n"), _Figure(value, "元")
    for match in _DURATION.finditer(text):
        clause = _clause(text, match.start(), match.end())
        value = _value(match["n"])
        if value is not None and match["n"] != "一" and _ABOUT_PRODUCT.search(clause):
            yield *match.span(), _Figure(value, "")


def _counts(text: str, match: re.Match[str]) -> bool:
    """Whether number and unit are a figure: not 一块儿, 第三层, 两片一起."""
    number, unit = match["n"], match["u"]
    if _IGNORED_AROUND.search(text, max(0, match.start() - 2), match.start()):
        return False
    if number in {"一", "几", "两", "二"} and unit in {
        "块",
        "层",
        "片",
        "颗",
        "倍",
        "米",
        "斤",
        "两",
        "升",
        "寸",
        "卡",
    }:
        return False
    return not (unit in {"块", "片", "颗", "层", "卡"} and not number[0].isdecimal() and len(number) == 1)


def _figures(text: str) -> Iterator[_Figure]:
    for match in _PERCENT.finditer(text):
        value = Decimal(100) if match["n"] == "百" else _value(match["n"])
        if value is not None:
            yield _Figure(value, "%")
    for match in _MEASURE.finditer(text):
        value = _value(match["n"])
        if value is not None:
            yield _Figure(value, _UNITS[match["u"].casefold()])
    for pattern in (_DURATION, _SALES):
        for match in pattern.finditer(text):
            value = _value(match["n"])
            if value is not None:
                yield _Figure(value, "")
    for match in _BARE_PRICE.finditer(text):
        value = _value(match["n"])
        if value is not None:
            yield _Figure(value, "元")


def _derived(figures: set[_Figure]) -> Iterator[_Figure]:
    """Prices that follow from stated ones: what is saved, two or three pieces, half."""
    prices = sorted({f.value for f in figures if f.measure == "元"})[:24]
    for price in prices:
        for count in (2, 3, 4, 5):
            yield _Figure(price * count, "元")
        yield _Figure(price / 2, "元")
    for a, b in combinations(prices, 2):
        yield _Figure(b - a, "元")
        yield _Figure(a + b, "元")


def _value(text: str) -> Decimal | None:
    number = re.match(r"[^0-9]*?([0-9][0-9,]*(?:\.[0-9]+)?)([万千百])?", text)
    if number is None:
        whole = number_in(text)
        return None if whole is None else Decimal(whole)
    try:
        value = Decimal(number.group(1).replace(",", ""))
    except InvalidOperation:
        return None
    return value * {"万": 10_000, "千": 1_000, "百": 100, None: 1}[number.group(2)]


def _clause(text: str, start: int, end: int) -> str:
    left = max((text.rfind(mark, 0, start) for mark in "。！？，；,!?;\n"), default=-1)
    right = [at for mark in "。！？，；,!?;\n" if (at := text.find(mark, end)) >= 0]
    return text[left + 1 : min(right, default=len(text))]


def _finding(text: str, start: int, end: int, message: str, suggestion: str) -> QualityIssue:
    return QualityIssue(
        type="unsupported_fact",
        severity=Severity.NEEDS_EVIDENCE,
        span=text[start:end],
        start=start,
        end=end,
        message=message,
        suggestion=suggestion,
        basis=_BASIS,
    )
