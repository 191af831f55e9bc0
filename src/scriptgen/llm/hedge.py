"""Hedged calls: when the first text is slow, the same request also goes to the next backend and the first
text wins (Dean and Barroso, "The Tail at Scale", CACM 2013). Which backend that is, is the router's choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from .attempt import Attempt


class HedgeSettings(msgspec.Struct, frozen=True):
    """Wait `after` seconds for the first text; at most `share` of all calls are made twice."""

    enabled: bool = False
    after: float = 2.0
    share: float = 0.05


class HedgeBudget:
    """A token bucket filled by requests, not by time: extra calls never pass `share` of the requests."""

    def __init__(self, share: float, burst: float = 5.0) -> None:
        self._share = share
        self._burst = burst
        self._tokens = 0.0

    def earn(self) -> None:
        self._tokens = min(self._tokens + self._share, self._burst)

    @property
    def ready(self) -> bool:
        return self._tokens >= 1.0 - 1e-9  # sums of shares like 0.05 fall short by rounding

    def spend(self) -> None:
        self._tokens -= 1.0


async def race(
    first: Attempt, rival: Callable[[], Attempt | None], *, after: float, until: float | None
) -> Attempt:
    """Open `first`; after `after` seconds without text open also `rival()`, if there is one.

    Returns the attempt that has text first; the other is cancelled and awaited before. When every attempt
    fails, raises the error of the one that failed first.
    """
    runners = {asyncio.create_task(first.open(until)): first}
    winner: Attempt | None = None
    failure: BaseException | None = None
    try:
        pending = set(runners)
        done, pending = await asyncio.wait(pending, timeout=after)
        if not done and (second := rival()) is not None:
            task = asyncio.create_task(second.open(until))
            runners[task] = second
            pending.add(task)
        while winner is None:
            for task in done:
                failure = failure or task.exception()
                if task.exception() is None:
                    winner = runners.pop(task)
                    return winner
            if not pending:
                break
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    finally:
        try:
            await _dismiss(runners)
        except BaseException:
            if winner is not None:
                await winner.aclose()
            raise
    if failure is None:
        raise RuntimeError("a race without runners")
    raise failure


async def _dismiss(runners: dict[asyncio.Task[None], Attempt]) -> None:
    for task in runners:
        task.cancel()
    await asyncio.gather(*runners, return_exceptions=True)
    for attempt in runners.values():
        await attempt.aclose()
