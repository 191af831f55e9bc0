"""One pulse for all streams that nobody waits for: what they receive between two pulses wakes nobody.

A model sends a word every few milliseconds, and waking a sleeping process for each word of each stream
costs many times what the word costs. So streams are read together, each a few words at a time.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Final

from scriptgen.domain.pulse import next_pulse

#: Bytes at which a resting stream is read all the same; far more than a model sends between two pulses.
_ENOUGH: Final = 16_384
#: How many times the length of a beat a reader goes without text before each word is read as it comes.
_PATIENCE: Final = 1.25


class Beat:
    """`seconds` from pulse to pulse on the loop's clock, the same for all who rest; with 0 nobody rests, nor
    where sockets have no low-water mark that holds back readiness (only Linux's is known to).

    The end of a connection and its errors are noticed at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds if sys.platform == "linux" else 0
        # In the order in which they came to rest: each stream has the same place in every pulse.
        self._resting: dict[asyncio.Transport, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def rest(self, transport: asyncio.Transport, shown_at: float) -> None:
        """Leave what arrives in the kernel until the next pulse, unless that is long after `shown_at`, when
        the reader last got text.
        """
        if not self._seconds or transport.is_closing():
            return
        loop = asyncio.get_running_loop()
        due = next_pulse(loop.time(), self._seconds)
        if due - shown_at > self._seconds * _PATIENCE:
            return
        _wake_at(_ENOUGH, transport)
        self._resting[transport] = None
        if self._timer is None:
            self._timer = loop.call_at(due, self._pulse)

    def rise(self, transport: asyncio.Transport) -> None:
        """Before the next pulse: this connection is to serve another call."""
        if transport in self._resting:
            del self._resting[transport]
            if not transport.is_closing():
                _wake_at(1, transport)

    def _pulse(self) -> None:
        self._timer = None
        resting, self._resting = self._resting, {}
        for transport in resting:
            if not transport.is_closing():
                _wake_at(1, transport)


def _wake_at(received: int, transport: asyncio.Transport) -> None:
    """Not `pause_reading`: uvloop still wakes for the next word of each paused socket, and nobody would
    notice the end of a connection.
    """
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, received)
