"""Reads one streamed response under the timers of its call. What the bytes mean is `sse`'s; which request was
made, and what an HTTP status means, is the backend's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import aiohttp
import msgspec

from scriptgen.domain.generation import Usage

from .beat import Beat, Seat
from .errors import (
    CallDeadlineError,
    ContentFilteredError,
    EmptyOutputError,
    FirstTokenTimeoutError,
    IdleTimeoutError,
    LLMCallError,
    ResponseTooLargeError,
    TotalTimeoutError,
    TruncatedStreamError,
    WrongModelError,
)
from .sse import ChatStream

T = TypeVar("T")

_FINISHED: Final = frozenset({"stop", "length"})
#: After the finish_reason only the usage is missing; an upstream that never closes costs this much, no more.
_USAGE_GRACE: Final = 1.0
#: After [DONE] the end of the body is due at once; reading it lets the connection be used again.
_EOF_GRACE: Final = 0.05


class Timers(msgspec.Struct, frozen=True):
    """Seconds. `connect` bounds the wait for a connection, `first_token` runs from the start of the call to
    its first text, `idle` between chunks, `total` over all. The caller's deadline cuts each of them.
    """

    connect: float = 5.0
    first_token: float = 20.0
    idle: float = 15.0
    total: float = 120.0


class CallClock:
    """How long each wait of one call may still last. `deadline` is on the loop's clock."""

    def __init__(self, timers: Timers, deadline: float | None) -> None:
        self.now = asyncio.get_running_loop().time
        self.started = self.now()
        self.connect = self.started + timers.connect
        self.first_token = self.started + timers.first_token
        self.idle_seconds = timers.idle
        self._end = self.started + timers.total
        self._over: type[LLMCallError] = TotalTimeoutError
        if deadline is not None and deadline <= self._end:
            self._end, self._over = deadline, CallDeadlineError

    def cut(self, until: float, late: type[LLMCallError]) -> tuple[float, type[LLMCallError]]:
        """The end of a wait and the error that names it: `until`, or the total or the deadline if sooner."""
        return (until, late) if until < self._end else (self._end, self._over)

    async def within(self, step: Awaitable[T], until: float, late: type[LLMCallError]) -> T:
        """Await `step`, or raise the error of the time that ended first."""
        end, error = self.cut(until, late)
        try:
            async with asyncio.timeout_at(end):
                return await step
        except TimeoutError:
            raise error from None


class TimedResponse:
    """`next_text()` until it is "": then the answer is whole. `written` is the text so far."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        clock: CallClock,
        *,
        max_bytes: int,
        expected_model: str = "",
        beat: Beat,
        shown_at: Callable[[], float] | None = None,
    ) -> None:
        """Fails when another model than `expected_model` answers; "" accepts any. Once the reader
        has got text, at `shown_at()`, more is read on the `beat`, and so are thoughts.
        """
        self._response = response
        self._clock = clock
        self._room = max_bytes
        self._expected_model = expected_model
        self._beat = beat
        self._shown_at = shown_at
        self._seat: Seat | None = None  # none before it rests, and after the answer has ended
        self._chat = ChatStream()
        self._watchdog = _Watchdog(response.content)
        self.written = ""

    @property
    def finish_reason(self) -> str:
        return self._chat.finish_reason

    @property
    def usage(self) -> Usage | None:
        """None when the upstream did not report it."""
        return self._chat.usage

    async def next_text(self) -> str:
        """All text that is there, "" when the stream has ended as it should. Raises LLMCallError."""
        chat = self._chat
        if self.written and self._shown_at is not None:
            self._rest(self._shown_at())
        self._expect()  # anew: the time since the last call was our caller's, not the upstream's
        while not chat.done and (block := await self._block()):
            chunks = chat.chunks
            text = chat.feed(block)
            if self._expected_model and chat.model not in {"", self._expected_model}:
                message = f"asked for {self._expected_model!r}, answered by {chat.model!r}"
                raise WrongModelError(message, status=200)
            if text:
                self._watchdog.rest()
                self.written += text
                return text
            if chat.chunks > chunks:
                self._expect()  # whole chunks are progress, single bytes and comments are not
                if chat.thinking and self._shown_at is not None:
                    self._rest(self._clock.now())  # nobody waits for a thought
        self._watchdog.stop()
        self._check_whole()
        self._leave_beat()
        if chat.done and not self._response.content.at_eof():
            await self._drain()
        return ""

    def close(self) -> None:
        """Close the connection at once, unless the body was read to its end: then it is in the pool."""
        self._watchdog.stop()
        self._response.close()
        self._leave_beat()

    def _rest(self, shown_at: float) -> None:
        connection = self._response.connection  # None once the body has ended
        if connection is None or connection.transport is None or self.finish_reason:
            return
        if self._seat is None:
            self._seat = self._beat.join(connection.transport)
        self._seat.rest(shown_at)

    def _leave_beat(self) -> None:
        """What is left of the answer, and the connection's next call, do not wait for the pulse."""
        if self._seat is not None:
            self._seat.leave()
            self._seat = None

    def _expect(self) -> None:
        clock = self._clock
        if self.finish_reason:
            end = clock.cut(clock.now() + min(clock.idle_seconds, _USAGE_GRACE), IdleTimeoutError)
        elif self.written:
            end = clock.cut(clock.now() + clock.idle_seconds, IdleTimeoutError)
        else:
            end = clock.cut(clock.first_token, FirstTokenTimeoutError)
        self._watchdog.expect(*end)

    async def _block(self) -> bytes:
        """The next bytes; empty at the end, and when nothing is missing any more but the usage."""
        try:
            block = await self._response.content.readany()
        except IdleTimeoutError:
            if self.finish_reason:
                return b""
            raise
        except (aiohttp.ClientError, OSError) as error:
            if self.finish_reason:
                return b""
            raise TruncatedStreamError(f"the connection broke: {type(error).__name__}") from None
        self._room -= len(block)
        if self._room < 0:
            raise ResponseTooLargeError
        return block

    def _check_whole(self) -> None:
        if not self.finish_reason:
            raise TruncatedStreamError
        if self.finish_reason not in _FINISHED:
            raise ContentFilteredError(f"finished with {self.finish_reason!r}")
        if not self.written.strip():
            raise EmptyOutputError

    async def _drain(self) -> None:
        """Read the end of the body, or leave the connection to `close`."""
        try:
            async with asyncio.timeout(_EOF_GRACE):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError, OSError):
            return


class _Watchdog:
    """Times all reads of one response with one timer, which looks when it is due whether it was put off.
    A timer for every read would cost about a third of the read.
    """

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._end = math.inf
        self._late: type[LLMCallError] = IdleTimeoutError

    def expect(self, end: float, late: type[LLMCallError]) -> None:
        """From now on a read fails with `late` at `end`."""
        self._end, self._late = end, late
        if self._timer is None or self._timer.when() > end:
            self.stop()
            self._timer = self._loop.call_at(end, self._due)

    def rest(self) -> None:
        """Nobody is reading: the upstream cannot be late."""
        self._end = math.inf

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        self._timer = None
        if self._loop.time() >= self._end:
            self._content.set_exception(self._late())
        elif self._end < math.inf:
            self._timer = self._loop.call_at(self._end, self._due)
