"""However many processes share a tenant, no window of any length passes burst + rate · W.

The workers report what passed at the server's own time, so the check is exact, not statistical.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptgen.coordination.gcra import MICROSECONDS, tokens_us
from scriptgen.coordination.protocols import TenantLimits
from tests.conformance.coordination.processes import worker
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.faults

PROCESSES = 3
SECONDS = 3.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path) as running:
        yield running


def worst_excess(history: list[tuple[int, int]], burst: int) -> int:
    """Over all windows, the most µs of charge beyond burst + W; entries are (time, charge) in µs."""
    excess = -burst
    for first, (start, _) in enumerate(history):
        charged = 0
        for at, charge in history[first:]:
            charged += charge
            excess = max(excess, charged - burst - (at - start))
    return excess


async def passed(*arguments: Any) -> list[dict[str, int]]:
    """What all workers got through, oldest first; they start together."""
    async with contextlib.AsyncExitStack() as stack:
        workers = [
            await stack.enter_async_context(worker(*arguments, *([seed] if arguments[0] == "limit" else [])))
            for seed in range(PROCESSES)
        ]
        for each in workers:
            assert await each.hear() == {"event": "ready"}
        for each in workers:
            each.go()
        said = await asyncio.gather(*(each.hear_all() for each in workers))
    return sorted((entry for lines in said for entry in lines[-1]["history"]), key=lambda entry: entry["at"])


async def test_no_window_of_tokens_really_used_passes_the_bound(server: ValkeyServer) -> None:
    """Requests reserve up to 59 tokens, use all, some or none of them, and are settled late."""
    limits = TenantLimits(qps=0, tokens_per_minute=6_000, concurrent=0)
    burst = 15 * MICROSECONDS
    history = await passed("limit", server.url, SECONDS, 0, limits.tokens_per_minute)
    charges = [(entry["at"], tokens_us(entry["used"], limits.tokens_per_minute)) for entry in history]
    assert worst_excess(charges, burst) <= 0
    assert worst_excess(charges, burst * 7 // 10) > 0, "the bound is nearly reached: the check can fail"


async def test_no_window_of_requests_passes_the_bound(server: ValkeyServer) -> None:
    limits = TenantLimits(qps=20, tokens_per_minute=0, concurrent=0)
    history = await passed("limit", server.url, SECONDS, limits.qps, 0)
    charges = [(entry["at"], MICROSECONDS // 20) for entry in history]
    assert worst_excess(charges, MICROSECONDS) <= 0
    assert worst_excess(charges, MICROSECONDS - 200_000) > 0, "the bound is reached: the check can fail"


async def test_windows_of_a_second_pass_the_bound(server: ValkeyServer) -> None:
    """Protection off: a fixed window lets two windows' worth through around its edge."""
    for _ in range(4):  # the callers need not be quick at an edge each time
        history = await passed("limit-naively", server.url, SECONDS, 20.0)
        charges = [(entry["at"], MICROSECONDS // 20) for entry in history]
        if worst_excess(charges, MICROSECONDS) > 0:
            return
    pytest.fail("a fixed window held the bound four times")
