"""What a note in brackets says a product was sold at, and whether a claimed earlier price keeps to it.

It finds no claims: the lexicon's rules do. Prices of the product's facts are the fact guard's.
"""

from __future__ import annotations

import re
from typing import Final

from .numbers import DIGITS, NUMBER, number_in

_NOTE: Final = re.compile(r"\([^()]*\)")
_SOLD: Final = re.compile(
    rf"(?:成交|卖|售|均|实付|实收|到手)[^(){DIGITS}]{{0,6}}{NUMBER}(?![{DIGITS}个天日年月周次单件人场%])"
)
#: A note that tells of an untried, invented or just changed price proves nothing.
_WORTHLESS: Final = re.compile(
    r"[没未无虚编瞎拟假仅改调提涨换刚才昨]|从不|不曾|不存在|查不|自[定行制己拟标]|随[便意手口]"
    r"|只[卖有挂标]|就卖|首[次发]|第一次|头一回|新品"
)
_EARLIER: Final = re.compile(rf"(?:原价|吊牌价?|[标售]价|划线价|日常价|平时)[^,{DIGITS}]{{0,3}}{NUMBER}")
#: Such a claim is worth as much as the price it is taken off.
_SAVING: Final = re.compile("直降|立减|立省|直接省|狂降|足足降")


def keeps_to_note(sentence: str, start: int, end: int) -> bool:
    """Whether the price claimed in [start, end) of a normalised sentence is no higher than the lowest one at
    which the notes of that sentence say the product was sold.
    """
    notes = _NOTE.findall(sentence)
    sold = [number_in(number) for note in notes for number in _SOLD.findall(note)]
    if not sold or any(map(_WORTHLESS.search, notes)):
        return False
    claim = sentence[start:end]
    if _SAVING.match(claim):
        claim = next(reversed(_EARLIER.findall(sentence, 0, start)), "")
    asked = number_in(claim)
    return asked is not None and all(price is not None and asked <= price for price in sold)
