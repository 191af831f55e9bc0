"""The events of one generation: numbered, kept for whoever reconnects, shared by all who listen.

The first delta between two pulses of `flush_seconds` goes at once, those after it together at the next pulse;
everything else goes at once. The number of kept events is bounded by that: past `max_events` the pulses are
a second apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from scriptgen.domain.generation import (
    GenerationEvent,
    GenerationResult,
    ScriptDelta,
    SequencedEvent,
)

_COARSE_FLUSH_SECONDS: Final = 1.0
#: Seconds by which a timer may be early: uvloop's clock has whole milliseconds.
_EARLY: Final = 0.002


class EventChannel:
    """Written by one generation, read by any number of subscribers, each at its own pace."""

    def __init__(self, *, flush_seconds: float, max_events: int, first_sequence: int = 1) -> None:
        self._loop = asyncio.get_running_loop()
        self._flush_seconds = flush_seconds
        self._max_events = max_events
        self._first = first_sequence
        self._events: list[SequencedEvent] = []
        self._pending: list[str] = []
        self._pending_index = 0
        self._flushed_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._wakers: set[asyncio.Future[None]] = set()
        self._done = asyncio.Event()
        self._error: BaseException | None = None
        self.first_delta_at: float | None = None

    @property
    def closed(self) -> bool:
        return self._done.is_set()

    @property
    def first_sequence(self) -> int:
        return self._first

    @property
    def last_sequence(self) -> int:
        return self._first + len(self._events) - 1

    @property
    def events(self) -> tuple[SequencedEvent, ...]:
        return tuple(self._events)

    @property
    def result(self) -> GenerationResult | None:
        last = self._events[-1].event if self._events else None
        return last if isinstance(last, GenerationResult) else None

    def emit(self, event: GenerationEvent) -> None:
        """Never blocks: a slow reader only finds more text in its next event."""
        if not isinstance(event, ScriptDelta):
            self._flush()
            self._append(event)
            return
        if self._pending and self._pending_index != event.script_index:
            self._flush()
        self._pending.append(event.text)
        self._pending_index = event.script_index
        if self.first_delta_at is None:
            self.first_delta_at = self._loop.time()
        interval = self._interval
        if not interval or self._loop.time() + _EARLY >= (due := next_pulse(self._flushed_at, interval)):
            self._flush()
        elif self._timer is None:
            self._timer = self._loop.call_at(due, self._flush)

    def close(self, error: BaseException | None = None) -> None:
        """No more events; subscribers end, or raise `error` after the last event."""
        if self.closed:
            return
        self._flush()
        self._error = error
        self._done.set()
        self._wake()

    async def subscribe(self, after: int = 0) -> AsyncGenerator[SequencedEvent, None]:
        """Events of sequence after+1 and on, those kept first, then live ones until the channel closes."""
        position = max(after + 1 - self._first, 0)
        while True:
            while position < len(self._events):
                event = self._events[position]
                position += 1
                yield event
            if self.closed:
                break
            waker = self._loop.create_future()
            self._wakers.add(waker)
            try:
                await waker
            finally:
                self._wakers.discard(waker)
        if self._error is not None:
            raise self._error

    async def outcome(self) -> GenerationResult:
        """Wait for the end; the result, or the error the channel was closed with."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        result = self.result
        assert result is not None, "a channel is closed with an error or after its result"
        return result

    @property
    def _interval(self) -> float:
        return self._flush_seconds if len(self._events) < self._max_events else _COARSE_FLUSH_SECONDS

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            text = "".join(self._pending)
            self._pending.clear()
            self._flushed_at = self._loop.time()
            self._append(ScriptDelta(self._pending_index, text))

    def _append(self, event: GenerationEvent) -> None:
        self._events.append(SequencedEvent(self._first + len(self._events), event))
        self._wake()

    def _wake(self) -> None:
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None)
        self._wakers.clear()


def next_pulse(now: float, seconds: float) -> float:
    """The first multiple of `seconds` after `now`, both on the loop's clock, the same for all streams: their
    timers are one wake-up. A pulse that is due counts as past.
    """
    return ((now + _EARLY) // seconds + 1) * seconds
