"""Which backend a request goes to next, when again, and when it must have begun. It calls nothing itself."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from .breaker import Breaker, BreakerState, Permit
from .errors import CallDeadlineError, LLMCallError
from .protocol import CompletionRequest, LLMBackend

#: The name of the backend that writes from a task and cannot read a prompt.
TEMPLATE: Final = "template"

_FIRST_PAUSE: Final = 0.1
#: Seconds kept back from a caller's deadline so that the template writer can still answer.
_TEMPLATE_RESERVE: Final = 1.0


class RetrySettings(msgspec.Struct, frozen=True):
    """One backend is called again at most `retries` times, and only while `budget_seconds` are not over."""

    budget_seconds: float = 3.0
    retries: int = 1


class Slot(msgspec.Struct, frozen=True):
    """One backend in its role, with the breaker that guards it."""

    role: str
    backend: LLMBackend
    breaker: Breaker

    @property
    def name(self) -> str:
        return self.backend.name


class Route:
    """Which backend one request goes to next. `slot` is the current one."""

    def __init__(
        self,
        slots: Sequence[Slot],
        request: CompletionRequest,
        settings: RetrySettings,
        clock: Callable[[], float],
        rng: Callable[[], float],
    ) -> None:
        self.request = request
        able = [slot for slot in slots if request.task is not None or slot.name != TEMPLATE]
        self._waiting = deque(able)
        self._slot: Slot | None = None
        self._retries = settings.retries
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._give_up = clock() + settings.budget_seconds
        self._again = False

    @property
    def slot(self) -> Slot:
        if self._slot is None:
            raise RuntimeError("the route has not begun")
        return self._slot

    def next(self) -> Permit | None:
        """A permit for a call to `slot`: the same backend again after `failed` chose so, else the next
        whose breaker admits one. None when nothing is left.
        """
        if self._again:
            self._again = False
            permit = self.slot.breaker.admit()
            if permit is not None:
                return permit
        while self._waiting:
            self._slot = self._waiting.popleft()
            self._retries = self._settings.retries
            permit = self.slot.breaker.admit()
            if permit is not None:
                return permit
        return None

    async def failed(self, error: LLMCallError, *, shown: bool) -> None:
        """Choose what follows a failure; sleeps when the same backend is to be called again."""
        if isinstance(error, CallDeadlineError):
            self._waiting.clear()  # nobody waits for an answer any more
            return
        if shown or not error.retryable or not self._retries:
            return
        if self.slot.breaker.state is BreakerState.OPEN:
            return
        # Full jitter would let half of the callers come back at once; half of it spreads them as well.
        pause = max(_FIRST_PAUSE * (0.5 + self._rng()), error.retry_after or 0.0)
        deadline = self.request.deadline
        too_late = deadline is not None and asyncio.get_running_loop().time() + pause >= deadline
        if too_late or self._clock() + pause > self._give_up:
            return
        self._retries -= 1
        self._again = True
        await asyncio.sleep(pause)

    @property
    def successor(self) -> Slot | None:
        return self._waiting[0] if self._waiting else None

    def overtaken(self) -> None:
        """The successor's hedge was faster: it is the current backend now."""
        self._slot = self._waiting.popleft()

    def first_text_by(self, now: float) -> float | None:
        """When the current backend must have begun, on the loop's clock, so that its successor still has
        time before the caller's deadline. Without this a hanging primary would cost every caller whose
        deadline is shorter than the first-token timer, and no fallback would ever run.
        """
        if self.request.deadline is None or self.successor is None:
            return None
        reserve = (self.request.deadline - now) / 2
        if self.successor.name == TEMPLATE:
            reserve = min(reserve, _TEMPLATE_RESERVE)
        return self.request.deadline - reserve
