"""What is known about stock, and what a claim of scarcity is worth against it.

Stock comes from the product's facts and from what the text itself said before. It finds no claims.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from scriptgen.domain.quality import Severity
from scriptgen.domain.session import Product

from .numbers import NUMBER, number_in

#: A note in brackets may leave the measure word out: （后台库存一千）.
_STATED: Final = re.compile(
    rf"(?:库存|仓库|库房|库里|后台|备货|现货|存货|备了|实际还?有)[^。!?;,]{{0,8}}?{NUMBER}[多来余几]{{0,2}}"
    r"(?:[件单份套瓶盒台双箱袋支条个组本包斤串罐把只对桶提张块枚顶万]|(?=\)))"
)
_ADMITTED: Final = re.compile(
    r"(?:其实|实际|明明|后台|真实|主播口播|口播说|对外说|骗|假装|故意说|就说|嘴上说|喊着|(?:充足|堆满|堆成山|很多|管够|多得是|还有的是))"
)
_STOCK_NAMED: Final = re.compile(r"库存|仓库|库房|库里|后台|备货|现货|(?:其实|实际)货")
_STOCK_FACT: Final = re.compile(r"库存|剩余|余量|备货|stock", re.IGNORECASE)
_MARKS: Final = re.compile("[存货貨仓倉库庫备備]|[后後][台臺]|[实實][际際]")
_CLAIMED: Final = re.compile(NUMBER)


def may_concern_stock(sentence: str) -> bool:
    """A cheap look at an original or normalised sentence: False when it says nothing of stock."""
    return _MARKS.search(sentence) is not None


class StockLedger(msgspec.Struct, frozen=True):
    """What is known while one text is read. `stated` comes from the product and is certain; `known` is the
    most the text itself said; `admitted`: the text admits that its claims of scarcity are untrue.
    """

    stated: int | None = None
    known: int | None = None
    admitted: bool = False

    @classmethod
    def of(cls, product: Product | None) -> StockLedger:
        stated = None
        for name, value in product.facts.items() if product is not None else ():
            if _STOCK_FACT.search(name):
                stated = number_in(value)
        return cls(stated)

    def after(self, sentence: str) -> StockLedger:
        """What is known once a normalised sentence was read as well."""
        if self.stated is not None or not may_concern_stock(sentence):
            return self
        known = self.known
        found = _STATED.search(sentence)
        number = number_in(found.group(1)) if found is not None else None
        if number is not None:
            known = max(number, known or 0)
        admitted = self.admitted or (
            _STOCK_NAMED.search(sentence) is not None and _ADMITTED.search(sentence) is not None
        )
        return StockLedger(None, known, admitted)

    def judge(self, claim: str, severity: Severity) -> Severity | None:
        """BLOCK when the claim is false, None when facts bear it out, else `severity`."""
        number = _CLAIMED.search(claim)
        claimed = number_in(number.group(1)) if number is not None else None
        known = self.known if self.stated is None else self.stated
        if known is None:
            return Severity.BLOCK if self.admitted else severity
        if claimed is None:
            return severity
        if known > claimed:
            return Severity.BLOCK
        return severity if self.stated is None else None
