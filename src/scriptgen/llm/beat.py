"""One pulse for all streams that nobody waits for: between two pulses their upstreams are not read.

A model sends a word every few milliseconds, and waking a sleeping process for each word of each stream
costs many times what the word costs. So streams are read together, each a few words at a time. Which stream
may rest is its reader's to say.
"""

from __future__ import annotations

import asyncio


class Beat:
    """`seconds` from pulse to pulse on the loop's clock, the same for all who rest; with 0 nobody rests."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._resting: set[asyncio.Transport] = set()
        self._timer: asyncio.TimerHandle | None = None

    def rest(self, transport: asyncio.Transport) -> None:
        """Leave what arrives in the kernel until the next pulse."""
        if not self._seconds or transport.is_closing():
            return
        transport.pause_reading()
        self._resting.add(transport)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at((loop.time() // self._seconds + 1) * self._seconds, self._pulse)

    def _pulse(self) -> None:
        self._timer = None
        resting, self._resting = self._resting, set()
        for transport in resting:
            if not transport.is_closing():
                transport.resume_reading()
