"""What is known about stock, and what a claim of scarcity is worth against it.

Stock comes from the product's facts and from what the text itself said before. It finds no claims.
"""

from __future__ import annotations

import re
from typing import Final

from scriptgen.domain.quality import Severity
from scriptgen.domain.session import Product

from .numbers import number_in

_NUMBER: Final = r"([0-9]+|[零一二两三四五六七八九十百千万]+)"
_STATED: Final = re.compile(
    rf"(?:库存|仓库|后台|备货|现货|存货|备了)[^。!?;,]{{0,8}}?{_NUMBER}[多来余几]?(?:件|单|份|套|瓶|盒|台|双|箱|袋|支|条|个|组|本|包|斤|串|万)"
)
_ADMITTED: Final = re.compile(
    r"(?:其实|实际|明明|后台|真实|主播口播|口播说|对外说|骗|假装|故意说|就说|嘴上说|喊着|(?:充足|堆满|堆成山|很多|管够|多得是|还有的是))"
)
_STOCK_NAMED: Final = re.compile(r"库存|仓库|后台|备货|现货")
_STOCK_FACT: Final = re.compile(r"库存|剩余|余量|备货|stock", re.IGNORECASE)
_MARKS: Final = ("存", "货", "貨", "仓", "倉", "后台", "後臺", "後台", "后臺", "备", "備")
_CLAIMED: Final = re.compile(_NUMBER)


def may_concern_stock(sentence: str) -> bool:
    """A cheap look at an original or normalised sentence: False when it says nothing of stock."""
    return any(mark in sentence for mark in _MARKS)


class StockLedger:
    """Stock of one product while one text is read."""

    def __init__(self, product: Product | None) -> None:
        self._known: int | None = None
        self._certain = False
        for name, value in product.facts.items() if product is not None else ():
            if _STOCK_FACT.search(name):
                self._known = number_in(value)
                self._certain = self._known is not None
        self._admitted = False

    def note(self, sentence: str) -> None:
        """Read what a normalised sentence says about stock."""
        if self._certain or not may_concern_stock(sentence):
            return
        stated = _STATED.search(sentence)
        if stated is not None:
            number = number_in(stated.group(1))
            if number is not None:
                self._known = max(number, self._known or 0)
        self._admitted = self._admitted or (
            _STOCK_NAMED.search(sentence) is not None and _ADMITTED.search(sentence) is not None
        )

    def judge(self, claim: str, severity: Severity) -> Severity | None:
        """BLOCK when the claim is false, None when facts bear it out, else `severity`."""
        number = _CLAIMED.search(claim)
        claimed = number_in(number.group(1)) if number is not None else None
        if self._known is None:
            return Severity.BLOCK if self._admitted else severity
        if claimed is None:
            return severity
        if self._known > claimed:
            return Severity.BLOCK
        return None if self._certain else severity
