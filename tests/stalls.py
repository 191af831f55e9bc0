"""Tells how long the machine kept this event loop from running, beside what the code under test took itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_BEAT = 0.005


class Stalls:
    """`longest` in seconds, since the watch began: late beats less the CPU time this thread used meanwhile."""

    longest = 0.0


@asynccontextmanager
async def watched() -> AsyncIterator[Stalls]:
    stalls = Stalls()
    loop = asyncio.get_running_loop()

    async def beat() -> None:
        while True:
            due, used = loop.time() + _BEAT, time.thread_time()
            await asyncio.sleep(_BEAT)
            stalls.longest = max(stalls.longest, loop.time() - due - (time.thread_time() - used))

    task = asyncio.create_task(beat())
    try:
        yield stalls
    finally:
        task.cancel()
        await asyncio.wait({task})
