"""When Python looks for cyclic garbage: hardly ever, and never through what the start has made.

A running generation holds some 450 objects the collector tracks, and a pass over 256 of them stops every
stream of the process for 40 to 80 ms. Requests leave no cycles but a handful of small ones of gRPC's.
"""

from __future__ import annotations

import gc
from typing import Final

#: New objects after which the youngest are looked through (some 5 ms), how many such passes make one over the
#: running requests too, and how many of those one over everything that is kept.
_THRESHOLDS: Final = (10_000, 1_000, 10)


def pause() -> None:
    """While the service is being built: nothing of that is garbage."""
    gc.disable()


def resume() -> None:
    """The service is built, and what there is stays for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    gc.enable()
