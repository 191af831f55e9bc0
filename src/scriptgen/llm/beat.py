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
        apart = self._seconds * _SHORTEST / _PULSES
        self._pulses = [_Pulse(apart * place) for place in range(_PULSES)]

    def join(self, transport: asyncio.Transport) -> Seat:
        """For a stream that comes over `transport`. It must `leave` in the end."""
        needed = self._pulses[: self._streams // _CROWD + 1]
        return Seat(self, min(needed, key=lambda pulse: pulse.streams), transport)

    @property
    def interval(self) -> float:
        """Seconds from one pulse to the next, as many streams as there are."""
        return self._seconds * max(1 - self._streams / _SHARE, _SHORTEST)

    @property
    def _streams(self) -> int:
        return sum(pulse.streams for pulse in self._pulses)


class Seat:
    """The place of one stream."""

    def __init__(self, beat: Beat, pulse: _Pulse, transport: asyncio.Transport) -> None:
        self._beat = beat
        self._pulse = pulse
        self._transport = transport
        pulse.streams += 1

    def rest(self, shown_at: float) -> None:
        """Leave what arrives in the kernel until the next pulse, unless that is long after `shown_at`, when
        the reader last got text.
        """
        interval = self._beat.interval
        if interval and self._pulse.admits(shown_at, interval):
            self._read_from(_ENOUGH)
            self._pulse.resting[self] = None

    def wake(self) -> None:
        self._read_from(1)

    def leave(self) -> None:
        """The answer has ended: its connection, resting or not, is to serve another call at once."""
        self._pulse.streams -= 1
        if self in self._pulse.resting:
            del self._pulse.resting[self]
            self.wake()

    def _read_from(self, received: int) -> None:
        """Not `pause_reading`: uvloop still wakes for the next word of each paused socket, and nobody would
        notice the end of a connection.
        """
        if not self._transport.is_closing():
            its_socket = self._transport.get_extra_info("socket")
            its_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, received)


class _Pulse:
    """Wakes its streams together, in step with the time `due`."""

    def __init__(self, due: float) -> None:
        self.streams = 0
        # In the order in which they came to rest: each stream has the same place every time.
        self.resting: dict[Seat, None] = {}
        self._due = due  # when it comes, or last should have come
        self._timer: asyncio.TimerHandle | None = None

    def admits(self, shown_at: float, interval: float) -> bool:
        """Whether it comes soon enough for one who last got text at `shown_at`; then it will come."""
        loop = asyncio.get_running_loop()
        due = self._due
        if self._timer is None:  # the next in step with the last one: what was missed is not made up for
            due += max((loop.time() - due) // interval + 1, 1) * interval
        if due - shown_at > interval * _PATIENCE:
            return False
        if self._timer is None:
            self._due = due
            self._timer = loop.call_at(due, self._wake_all)
        return True

    def _wake_all(self) -> None:
        self._timer = None
        resting, self.resting = self.resting, {}
        for seat in resting:
            seat.wake()
