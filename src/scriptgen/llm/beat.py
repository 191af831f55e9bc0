"""A pulse for the streams that nobody waits for: what they receive between two pulses wakes nobody.

A model sends a word every few milliseconds, and waking a sleeping process for each word of each stream
costs many times what the word costs. So streams are read together, each a few words at a time.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Final

#: Bytes at which a resting stream is read all the same; far more than a model sends between two pulses.
_ENOUGH: Final = 16_384
#: How many times a beat a reader goes without text before each word is read as it comes.
_PATIENCE: Final = 1.05
#: Streams read at one pulse before there is a second one, and the most pulses in one beat: reading many at
#: once takes a while, and the last ones wait for that.
_CROWD: Final = 32
_PULSES: Final = 4
#: Each stream shortens the beat by its share of so many, down to the shortest: a busy process is late.
_SHARE: Final = 1024
_SHORTEST: Final = 0.75


class Beat:
    """A stream is read every `seconds`, a little more often when hundreds are. With 0 nobody rests, nor where
    sockets have no low-water mark that holds back readiness (only Linux's is known to).

    The end of a connection and its errors are noticed at once.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds if sys.platform == "linux" else 0
        self._pulses = [_Pulse() for _ in range(_PULSES)]
        self._pulse_of: dict[asyncio.Transport, _Pulse] = {}

    def rest(self, transport: asyncio.Transport, shown_at: float) -> None:
        """Leave what arrives in the kernel until the next pulse, unless that is long after `shown_at`, when
        the reader last got text. A transport that has rested must `leave` in the end.
        """
        if not self._seconds or transport.is_closing():
            return
        pulse = self._pulse_of.get(transport)
        if pulse is None:
            needed = self._pulses[: len(self._pulse_of) // _CROWD + 1]
            pulse = self._pulse_of[transport] = min(needed, key=lambda one: one.streams)
            pulse.streams += 1
        interval = self._seconds * max(1 - len(self._pulse_of) / _SHARE, _SHORTEST)
        pulse.rest(transport, shown_at, interval)

    def leave(self, transport: asyncio.Transport) -> None:
        """The answer has ended: its connection, resting or not, is to serve another call at once."""
        pulse = self._pulse_of.pop(transport, None)
        if pulse is not None:
            pulse.streams -= 1
            pulse.wake(transport)


class _Pulse:
    """Wakes its streams together."""

    def __init__(self) -> None:
        self.streams = 0
        # In the order in which they came to rest: each stream has the same place every time.
        self._resting: dict[asyncio.Transport, None] = {}
        self._due = 0.0  # when it comes, or last should have come
        self._timer: asyncio.TimerHandle | None = None

    def rest(self, transport: asyncio.Transport, shown_at: float, interval: float) -> None:
        loop = asyncio.get_running_loop()
        due = self._due
        if self._timer is None:  # the next in step with the last one: what was missed is not made up for
            due += max((loop.time() - due) // interval + 1, 1) * interval
        if due - shown_at > interval * _PATIENCE:
            return
        _read_from(_ENOUGH, transport)
        self._resting[transport] = None
        if self._timer is None:
            self._due = due
            self._timer = loop.call_at(due, self._wake_all)

    def wake(self, transport: asyncio.Transport) -> None:
        """Ahead of the others, if it rests."""
        if transport in self._resting:
            del self._resting[transport]
            _read_from(1, transport)

    def _wake_all(self) -> None:
        self._timer = None
        for transport in tuple(self._resting):
            self.wake(transport)


def _read_from(received: int, transport: asyncio.Transport) -> None:
    """Not `pause_reading`: uvloop still wakes for the next word of each paused socket, and nobody would
    notice the end of a connection.
    """
    if not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, received)
