"""Reads the integers of spoken Chinese and of digits; it knows no units."""

from __future__ import annotations

import re
from typing import Final

#: The inside of a character class, and one number in a group of its own.
DIGITS: Final = "0-9零一二两三四五六七八九十百千万"
NUMBER: Final = "([0-9]+|[零一二两三四五六七八九十百千万]+)"
_VALUES: Final = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}
_UNITS: Final = {"十": 10, "百": 100, "千": 1_000}
_INTEGER: Final = re.compile(r"[0-9][0-9,]*|[零〇一二两三四五六七八九十百千万]+")


def number_in(text: str) -> int | None:
    """The first integer of `text` (2000, 两千, 三百九, 一万二), or None."""
    found = _INTEGER.search(text)
    if found is None:
        return None
    word = found.group()
    if word[0].isdecimal():
        value = int(word.replace(",", "")[:15])
        return value * 10_000 if text[found.end() : found.end() + 1] == "万" else value
    return _chinese(word)


def _chinese(word: str) -> int | None:
    if all(c in _VALUES for c in word):  # 五零零, 三
        return int("".join(str(_VALUES[c]) for c in word[:15]))
    total = section = digit = 0
    unit = 1
    for character in word:
        if character in _VALUES:
            digit = _VALUES[character]
        elif character == "万":
            total += (section + digit) * 10_000
            section = digit = 0
            unit = 10_000
        else:
            unit = _UNITS[character]
            section += (digit or 1) * unit
            digit = 0
    # 三百九 is 390, 一万二 is 12,000; 一百零九 is 109.
    if digit and unit > 10 and "零" not in word and "〇" not in word:
        digit *= unit // 10
    return total + section + digit
