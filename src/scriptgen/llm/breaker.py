"""A circuit breaker for one backend: it stops calls that would fail, and lets them come back slowly.

    CLOSED ──faults in a row──> OPEN ──time──> HALF_OPEN ──all probes succeed──> CLOSED (slow start)
                                 ^───────────────fault───────────────┴──────────fault──────┘

The pattern is Nygard's ("Release It!", 2nd ed., ch. 5). It knows nothing of what is called: who holds a
permit says how it went. What counts as a fault is written down at `LLMCallError.backend_fault`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import msgspec


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerSettings(msgspec.Struct, frozen=True):
    """`fault_threshold` faults in a row open it for `open_seconds`, doubled each time a probe fails, up to
    `max_open_seconds`. Half open, `probes` calls may run. Once they succeed, slow start: twice as many calls
    at once as probes, one more with every success, no limit after `slow_start_calls`.
    """

    fault_threshold: int = 4
    open_seconds: float = 5.0
    max_open_seconds: float = 60.0
    probes: int = 1
    slow_start_calls: int = 16


class Breaker:
    """`clock` is monotonic seconds. `on_change` is told each new state; it must not raise."""

    def __init__(
        self,
        settings: BreakerSettings,
        clock: Callable[[], float],
        on_change: Callable[[BreakerState], None] = lambda _state: None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._epoch = 0  # counts changes of state: a verdict from an older one says nothing about now
        self._faults = 0
        self._running = 0  # permits of this epoch
        self._limit: int | None = None  # how many may run, None for any number
        self._open_until = 0.0
        self._open_seconds = settings.open_seconds

    @property
    def state(self) -> BreakerState:
        """OPEN becomes HALF_OPEN by time alone."""
        if self._state is BreakerState.OPEN and self._clock() >= self._open_until:
            self._enter(BreakerState.HALF_OPEN, limit=self._settings.probes)
        return self._state

    @property
    def slow_starting(self) -> bool:
        return self.state is BreakerState.CLOSED and self._limit is not None

    @property
    def seconds_until_probe(self) -> float:
        """0 unless open."""
        return max(0.0, self._open_until - self._clock()) if self.state is BreakerState.OPEN else 0.0

    def admit(self) -> Permit | None:
        """A permit for one call, or None: use another backend."""
        if self.state is BreakerState.OPEN:
            return None
        if self._limit is not None and self._running >= self._limit:
            return None
        self._running += 1
        return Permit(self, self._epoch)

    def _enter(self, state: BreakerState, *, limit: int | None) -> None:
        self._state = state
        self._epoch += 1
        self._faults = 0
        self._running = 0
        self._limit = limit
        self._on_change(state)

    def _returned(self, epoch: int) -> bool:
        """Whether a permit of `epoch` still has a say; it no longer runs."""
        if epoch != self._epoch:
            return False
        self._running -= 1
        return True

    def _succeeded(self, epoch: int) -> None:
        if not self._returned(epoch):
            return
        self._faults = 0
        if self._limit is None:
            return
        self._limit += 1
        if self._state is BreakerState.HALF_OPEN:
            if self._limit >= 2 * self._settings.probes:
                self._enter(BreakerState.CLOSED, limit=2 * self._settings.probes)
        elif self._limit > self._settings.slow_start_calls:
            self._limit = None
            self._open_seconds = self._settings.open_seconds

    def _failed(self, epoch: int, retry_after: float) -> None:
        if not self._returned(epoch):
            return
        self._faults += 1
        if self._limit is None and self._faults < self._settings.fault_threshold:
            return
        if self._limit is not None:  # it was given another chance and failed again
            self._open_seconds = min(2 * self._open_seconds, self._settings.max_open_seconds)
        wait = min(max(self._open_seconds, retry_after), self._settings.max_open_seconds)
        self._open_until = self._clock() + wait
        self._enter(BreakerState.OPEN, limit=0)


class Permit:
    """The right to make one call. The first verdict counts; a permit must get one, whatever happens."""

    __slots__ = ("_breaker", "_epoch", "_settled")

    def __init__(self, breaker: Breaker, epoch: int) -> None:
        self._breaker = breaker
        self._epoch = epoch
        self._settled = False

    def succeeded(self) -> None:
        if self._settle():
            self._breaker._succeeded(self._epoch)  # noqa: SLF001 (a permit is the breaker's own hand)

    def failed(self, retry_after: float | None = None) -> None:
        """`retry_after` (seconds, as the backend said) holds an opening breaker open at least so long."""
        if self._settle():
            self._breaker._failed(self._epoch, retry_after or 0.0)  # noqa: SLF001

    def abandoned(self) -> None:
        """The call said nothing about the backend: cancelled, or a fault of the request."""
        if self._settle():
            self._breaker._returned(self._epoch)  # noqa: SLF001

    def _settle(self) -> bool:
        first, self._settled = not self._settled, True
        return first
