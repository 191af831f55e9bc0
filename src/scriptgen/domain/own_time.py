"""A time bound for answers from elsewhere that does not count the time in which this process could not look.

After a stall of the event loop, a machine's pause or a burst of work, both the answer and the timer are due;
the timer would run first and take a prompt answer for a missing one. What a missing answer means is not its
business.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

#: A timer that runs this much too late, in seconds, shows that the event loop stood still.
_STALL: Final = 0.03


class own_time:  # noqa: N801  - used like asyncio.timeout
    """`async with own_time(seconds):` raises `TimeoutError` as `asyncio.timeout` does, but after a stall it
    gives the answer as long again as the stall was, once, and never more than `seconds`.
    """

    __slots__ = ("_cancels", "_due", "_expired", "_extended", "_handle", "_loop", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._extended = self._expired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a bound belongs to a task"
        self._task = task
        self._cancels = task.cancelling()
        self._loop = asyncio.get_running_loop()
        self._arm(self._seconds)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        # A cancel from elsewhere goes on; only our own becomes a TimeoutError.
        if self._expired and self._task.uncancel() <= self._cancels and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _arm(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        self._handle = self._loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        late = self._loop.time() - self._due
        if late > _STALL and not self._extended:
            self._extended = True
            self._arm(min(late, self._seconds))
            return
        self._expired = True
        self._task.cancel()
