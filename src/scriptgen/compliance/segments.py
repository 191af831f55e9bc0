"""Cuts a text into the sentences that are judged one by one, the same way for a text and for a stream.

A sentence ends at 。！？；… or a line end. One without an end is cut after
`SOFT_LIMIT` characters at a comma, after `FIRM_LIMIT` anywhere, both only where no match is forming, and
after `SEGMENT_LIMIT` in any case.
"""

from __future__ import annotations

from typing import Final

SOFT_LIMIT: Final = 120
FIRM_LIMIT: Final = 160
SEGMENT_LIMIT: Final = 240

SENTENCE_ENDS: Final = frozenset("。！？!?；;…\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_COMMAS: Final = frozenset("，,、：:")


def segment_ends(length: int, character: str, *, forming: bool) -> bool:
    """Whether a segment ends with its `length`-th character, `character`, while a match is `forming`."""
    if character in SENTENCE_ENDS or length >= SEGMENT_LIMIT:
        return True
    if length < SOFT_LIMIT or forming:
        return False
    return length >= FIRM_LIMIT or character in _COMMAS
