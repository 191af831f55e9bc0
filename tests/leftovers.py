"""What a generation that was left may still hold: places, locks, leases, model calls and tasks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from scriptgen.coordination.local_limiter import LocalRateLimiter
from scriptgen.workflow.grant import Grant
from tests.services.live import Live
from tests.upstream import FakeUpstream

FREE_WITHIN = 1.0


def left_behind(service: Live, upstream: FakeUpstream) -> dict[str, Any]:
    """What is still held anywhere; empty when all is given back."""
    app = service.server.app
    limiter, lock = app.limiter, app.lock
    assert isinstance(limiter, LocalRateLimiter)
    tenants = limiter._tenants
    held = {
        "generations": app.orchestrator.running,
        "places": app.admission.running,
        "quota leases": sum(state.live for state in tenants.values()),
        "session locks": lock._queue.held,  # type: ignore[attr-defined]
        "upstream calls": sum(not (call.completed or call.gone.is_set()) for call in upstream.calls),
        "tasks": [task.get_name() for task in asyncio.all_tasks() if "lease-watch" in task.get_name()],
    }
    return {name: what for name, what in held.items() if what}


async def until_free(service: Live, upstream: FakeUpstream) -> None:
    give_up = asyncio.get_running_loop().time() + FREE_WITHIN
    while held := left_behind(service, upstream):
        assert asyncio.get_running_loop().time() < give_up, f"still held after {FREE_WITHIN} s: {held}"
        await asyncio.sleep(0.01)


@dataclass(slots=True)
class Held:
    """A lock and a reservation that remember being given back."""

    lost: asyncio.Event = field(default_factory=asyncio.Event)
    settled: list[int | None] = field(default_factory=list)
    released: int = 0

    async def settle(self, actual_tokens: int | None) -> None:
        self.settled.append(actual_tokens)

    async def release(self) -> None:
        self.released += 1

    def grant(self) -> Grant:
        grant = Grant()
        grant.quota = grant.lock = self
        return grant
