"""Keeps the events of streams for a while after their end, for callers who come back to this instance.

Not responsible for running generations, nor for what a record can answer: see `orchestrator` and `replay`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

from scriptgen.domain.vocabulary import GenerationStatus

from .generation import Generation

RunKey = tuple[str, str, str]
"""Tenant, session and request."""

_MAX_KEPT: Final = 256


class RetainedStreams:
    """At most `_MAX_KEPT`, each for `seconds` from its beginning."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: OrderedDict[RunKey, tuple[float, Generation]] = OrderedDict()

    def keep(self, key: RunKey, generation: Generation) -> None:
        now = asyncio.get_running_loop().time()
        self._kept.pop(key, None)
        self._kept[key] = (now + self._seconds, generation)
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= _MAX_KEPT and self._kept[oldest][0] >= now:
                break
            del self._kept[oldest]

    def get(self, key: RunKey) -> Generation | None:
        """The stream, if it ended with a result that stands."""
        kept = self._kept.get(key)
        if kept is None or kept[0] < asyncio.get_running_loop().time():
            return None
        result = kept[1].channel.result
        lasting = result is not None and result.status is not GenerationStatus.CANCELLED
        return kept[1] if lasting else None
