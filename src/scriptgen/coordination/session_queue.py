"""Taking turns on a session inside one process: strict FIFO, bounded, without a trace once nobody is there.

Not responsible for other processes; both locks take their turn here first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from scriptgen.domain.errors import QuotaViolation, ResourceExhaustedError, SessionBusyError
from scriptgen.domain.session import SessionKey

_FIRST_GUESS_SECONDS = 2.0
_SMOOTHING = 0.2


@dataclass(slots=True)
class _Turn:
    since: float
    waiters: deque[asyncio.Future[None]] = field(default_factory=deque)


class SessionQueue:
    """One turn per session at a time. `max_waiters` bounds the queue of one session."""

    def __init__(self, max_waiters: int) -> None:
        self._max_waiters = max_waiters
        self._turns: dict[SessionKey, _Turn] = {}
        self._typical_hold = _FIRST_GUESS_SECONDS

    @property
    def held(self) -> int:
        return len(self._turns)

    @property
    def waiting(self) -> int:
        return sum(len(turn.waiters) for turn in self._turns.values())

    @property
    def retry_after(self) -> float:
        """Seconds after which a turn typically ends: nobody can know how long a generation takes."""
        return min(30.0, max(0.1, self._typical_hold))

    def enter_free(self, key: SessionKey) -> bool:
        """Take the turn if nobody has it."""
        if key in self._turns:
            return False
        self._turns[key] = _Turn(asyncio.get_running_loop().time())
        return True

    async def enter(self, key: SessionKey, timeout: float) -> None:
        """Wait for the turn. Raises `ResourceExhaustedError` (QUEUE_FULL) or `SessionBusyError`."""
        if self.enter_free(key):
            return
        turn = self._turns[key]
        if len(turn.waiters) >= self._max_waiters:
            raise ResourceExhaustedError(
                "Too many requests already wait for this session.",
                reason="QUEUE_FULL",
                retry_after=self.retry_after,
                violation=QuotaViolation("session_queue", f"At most {self._max_waiters} may wait."),
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        turn.waiters.append(place)
        try:
            async with asyncio.timeout(timeout):
                await place
        except TimeoutError:
            # A turn that came in the very moment of the timeout is passed on, not kept half.
            self._give_up(key, place)
            raise self.busy() from None
        except asyncio.CancelledError:
            self._give_up(key, place)
            raise

    def leave(self, key: SessionKey) -> None:
        """End the turn and give it to the longest waiter."""
        turn = self._turns[key]
        now = asyncio.get_running_loop().time()
        self._typical_hold += _SMOOTHING * (now - turn.since - self._typical_hold)
        while turn.waiters:
            place = turn.waiters.popleft()
            if not place.done():
                turn.since = now
                place.set_result(None)
                return
        del self._turns[key]

    def busy(self) -> SessionBusyError:
        return SessionBusyError(
            "Another request is still running in this session.", retry_after=self.retry_after
        )

    def _give_up(self, key: SessionKey, place: asyncio.Future[None]) -> None:
        if place.done() and not place.cancelled():
            self.leave(key)
        else:
            self._turns[key].waiters.remove(place)
