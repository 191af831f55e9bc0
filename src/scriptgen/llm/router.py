"""The language model agents see: primary, then backup, then the template writer, behind one interface.

It decides which backend is called, when again, and when the next; it never joins two backends' text. Timers
of one call are the backend's, the state of a backend is its breaker's.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec
from msgspec.structs import replace

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import ScriptgenError
from scriptgen.domain.observer import Observer

from .attempt import Attempt, Ledger
from .breaker import Breaker, BreakerSettings, BreakerState, Permit
from .errors import AllBackendsFailedError, CallDeadlineError, LLMCallError, OutOfTimeError
from .hedge import HedgeBudget, HedgeSettings, race
from .protocol import (
    BackendSwitched,
    Completed,
    Completion,
    CompletionEvent,
    CompletionRequest,
    LLMBackend,
    TextDelta,
)
from .route import TEMPLATE, RetrySettings, Route, Slot

__all__ = ["TEMPLATE", "RetrySettings", "Router", "RouterSettings"]

_ROLES: Final = ("llm.primary", "llm.backup", "llm.last_resort")


class RouterSettings(msgspec.Struct, frozen=True):
    """`fallback_enabled` False leaves the primary alone."""

    fallback_enabled: bool = True
    retry: RetrySettings = msgspec.field(default_factory=RetrySettings)
    breaker: BreakerSettings = msgspec.field(default_factory=BreakerSettings)
    hedge: HedgeSettings = msgspec.field(default_factory=HedgeSettings)


class Router:
    """Implements `LanguageModel`. Backends come in the order in which they are tried; it closes them."""

    def __init__(
        self,
        backends: Sequence[LLMBackend],
        *,
        settings: RouterSettings | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """`clock` (monotonic seconds) runs breakers and retry budget, `rng` (0..1) the jitter."""
        self._settings = settings or RouterSettings()
        self._observer = observer or Observer()
        self._clock = clock
        self._rng = rng
        self._backends = tuple(backends)
        used = self._backends if self._settings.fallback_enabled else self._backends[:1]
        self._slots = [
            Slot(_ROLES[min(i, 2)], backend, self._breaker(backend.name)) for i, backend in enumerate(used)
        ]
        self._hedge_budget = HedgeBudget(self._settings.hedge.share)

    def _breaker(self, name: str) -> Breaker:
        def changed(state: BreakerState) -> None:
            self._observer.llm_breaker_state(name, state.value)

        changed(BreakerState.CLOSED)
        return Breaker(self._settings.breaker, self._clock, changed)

    @property
    def has_model(self) -> bool:
        return any(slot.name != TEMPLATE for slot in self._slots)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """BackendChosen, TextDelta…, Completed of one backend. A backend that fails before its first text
        is never seen; after it, BackendSwitched voids what was said and the next begins.

        `Completed.usage` includes what failed calls cost. Raises AllBackendsFailedError, an
        LLMUnavailableError, or OutOfTimeError, a DeadlineExceededError. Close the iterator when leaving
        early: that closes the upstream.
        """
        self._hedge_budget.earn()
        ledger = Ledger()
        route = Route(self._slots, request, self._settings.retry, self._clock, self._rng)
        void: BackendSwitched | None = None
        failure: LLMCallError | None = None
        while (permit := route.next()) is not None:
            if void is not None:
                yield void
                void = None
            shown = ""
            try:
                async with aclosing(await ledger.waiting(self._open(route, permit, ledger))) as attempt:
                    shown = attempt.chosen.backend
                    yield attempt.chosen
                    while isinstance(event := await attempt.next(), TextDelta):
                        yield event
                    yield _in_all(event, ledger)
                    return
            except LLMCallError as error:
                failure = error
            if shown:
                void = BackendSwitched(shown, failure.outcome)
            await route.failed(failure, shown=bool(shown))
        raise self._unanswered(ledger, failure, request.deadline)

    async def complete(self, request: CompletionRequest) -> Completion:
        """The whole answer; text before a switch is dropped."""
        pieces: list[str] = []
        switched: list[BackendSwitched] = []
        async with aclosing(self.stream(request)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    pieces.append(event.text)
                elif isinstance(event, BackendSwitched):
                    pieces.clear()
                    switched.append(event)
                elif isinstance(event, Completed):
                    return Completion("".join(pieces), event, tuple(switched))
        raise RuntimeError("the stream ended without Completed")

    async def status(self) -> tuple[ComponentStatus, ...]:
        """One component for each backend in use: `llm.primary`, `llm.backup`, `llm.last_resort`."""
        return tuple([await _status(slot) for slot in self._slots])

    async def close(self) -> None:
        for backend in self._backends:
            await backend.close()

    async def _open(self, route: Route, permit: Permit, ledger: Ledger) -> Attempt:
        """The attempt whose text has begun: the route's current backend, or a hedge that was faster."""
        request, hedge = route.request, self._settings.hedge

        def attempt(slot: Slot, permit: Permit) -> Attempt:
            return Attempt(slot.backend, permit, request, ledger, self._observer)

        def rival() -> Attempt | None:
            slot = route.successor
            if slot is None or slot.name == TEMPLATE or not self._hedge_budget.ready:
                return None
            permit = slot.breaker.admit()
            if permit is None:
                return None
            self._hedge_budget.spend()
            return attempt(slot, permit)

        first = attempt(route.slot, permit)
        until = route.first_text_by(asyncio.get_running_loop().time())
        if not hedge.enabled:
            await first.open(until)
            return first
        winner = await race(first, rival, after=hedge.after, until=until)
        if winner is not first:
            route.overtaken()
        return winner

    def _unanswered(
        self, ledger: Ledger, last: LLMCallError | None, deadline: float | None
    ) -> ScriptgenError:
        outcomes = ",".join(ledger.outcomes)
        late = deadline is not None and asyncio.get_running_loop().time() >= deadline
        if late or isinstance(last, CallDeadlineError):
            return OutOfTimeError(usage=ledger.spent, attempts=ledger.attempts, outcomes=outcomes)
        probe = min((slot.breaker.seconds_until_probe for slot in self._slots), default=0.0)
        return AllBackendsFailedError(
            retry_after=max(1.0, ledger.retry_after, probe),
            usage=ledger.spent,
            attempts=ledger.attempts,
            outcomes=outcomes,
        )


def _in_all(event: Completed, ledger: Ledger) -> Completed:
    """The successful call's end with the cost of all calls."""
    usage = event.usage + ledger.spent if ledger.spent.total else event.usage
    return replace(event, usage=usage, attempts=ledger.attempts, upstream_seconds=ledger.upstream_seconds)


async def _status(slot: Slot) -> ComponentStatus:
    own = await slot.backend.status()
    state, breaker = own.state, slot.breaker
    if breaker.state is BreakerState.OPEN:
        state = ComponentState.DOWN
    elif breaker.state is BreakerState.HALF_OPEN or breaker.slow_starting:
        state = ComponentState.DEGRADED
    details = {**own.details, "breaker": breaker.state.value}
    if breaker.seconds_until_probe:
        details["retry_in_seconds"] = f"{breaker.seconds_until_probe:.1f}"
    return ComponentStatus(slot.role, state, slot.name, details)
