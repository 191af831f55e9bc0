"""When Python looks for cyclic garbage: hardly ever, and never through what the start has made.

A running generation holds some 450 objects the collector tracks, and a pass over 256 of them stops every
stream of the process for 40 to 80 ms. Requests leave no cycles but a handful of small ones of gRPC's.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

#: New objects after which the youngest are looked through (some 5 ms), how many such passes make one over the
#: running requests too, and how many of those one over everything that is kept.
_THRESHOLDS: Final = (10_000, 1_000, 10)


@contextmanager
def building() -> Iterator[None]:
    """Around the start of a service: nothing it makes is garbage, and what there is at the end stays."""
    gc.disable()
    try:
        yield
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
    finally:
        gc.enable()
