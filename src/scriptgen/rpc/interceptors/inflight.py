"""Bounds the generations of this process and lets none begin while it drains."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from scriptgen.domain.errors import DrainingError, QuotaViolation, ResourceExhaustedError
from scriptgen.domain.observer import Observer

from .call import Call
from .chain import Interceptor
from .methods import GENERATING

RETRY_SECONDS = 1.0


class Admission:
    """Places for running generations. One per process, on one event loop."""

    def __init__(self, limit: int, observer: Observer | None = None) -> None:
        self._limit = limit
        self._observer = observer or Observer()
        self._idle = asyncio.Event()
        self._idle.set()
        self.running = 0
        self.draining = False

    def begin_drain(self) -> None:
        """From now on every new generation is refused with DRAINING; running ones go on."""
        self.draining = True

    async def idle(self) -> None:
        """Returns when nothing runs; the caller bounds the wait."""
        await self._idle.wait()

    def take(self) -> None:
        """A place, to be given back; never waits. Raises `DrainingError` or `ResourceExhaustedError`."""
        if self.draining:
            raise DrainingError(
                "This instance is shutting down; another one will take the call.", retry_after=RETRY_SECONDS
            )
        if self.running >= self._limit:
            raise ResourceExhaustedError(
                "Too many generations are running on this instance.",
                reason="QUEUE_FULL",
                retry_after=RETRY_SECONDS,
                violation=QuotaViolation("inflight", f"at most {self._limit} generations at once"),
            )
        self.running += 1
        self._idle.clear()
        self._observer.inflight(1)

    def give_back(self) -> None:
        self.running -= 1
        self._observer.inflight(-1)
        if self.running == 0:
            self._idle.set()


class InflightInterceptor(Interceptor):
    name: ClassVar[str] = "inflight"

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def applies_to(self, method: str) -> bool:
        return method in GENERATING

    async def enter(self, call: Call) -> None:  # noqa: ARG002 (a place is a place)
        self._admission.take()

    async def leave(self, call: Call, error: BaseException | None) -> None:  # noqa: ARG002
        self._admission.give_back()
