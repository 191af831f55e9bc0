"""The clock by which streams are read and sent, so that many of them wake the process once."""

from __future__ import annotations

from typing import Final

#: Seconds by which a timer may be early: uvloop's clock has whole milliseconds.
EARLY: Final = 0.002


def next_pulse(now: float, seconds: float) -> float:
    """The first multiple of `seconds` after `now`, both on the loop's clock; a pulse that is due counts as
    past.
    """
    return ((now + EARLY) // seconds + 1) * seconds
