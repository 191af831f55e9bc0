"""A process of its own that uses the lock or the limiter, for tests that need several.

`python -m tests.conformance.coordination.worker COMMAND URL …` prints one JSON document a line. Times are
of clocks that all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from scriptgen.coordination.gcra import MICROSECONDS
from scriptgen.coordination.protocols import TenantLimits
from scriptgen.coordination.redis_limiter import RESERVE
from scriptgen.domain.errors import ResourceExhaustedError
from tests.conformance.coordination.support import KEY, client, plain_client, redis_limiter, redis_lock


def say(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


async def hold(url: str, lease_seconds: float) -> None:
    """Take the lock, say so, and say how it ends. A line on stdin releases it."""
    async with client(url) as redis, redis_lock(redis, lease_seconds=lease_seconds) as lock:
        lease = await lock.acquire(KEY, timeout=5)
        say(event="held", token=lease.token)
        await lease.lost.wait()
        say(event="lost")
        await asyncio.to_thread(sys.stdin.readline)
        await lease.release()
        say(event="released")


async def hold_naively(url: str) -> None:
    """Protection off: one owner for all, release by deleting whatever is there."""
    async with plain_client(url) as redis:
        await redis.set("naive", "locked", nx=True, px=300)
        say(event="held")
        await asyncio.to_thread(sys.stdin.readline)
        await redis.delete("naive")
        say(event="released")


async def turns(url: str, waiters: int, count: int, hold_seconds: float) -> None:
    """`waiters` callers take `count` turns each on one session; says when each turn began and ended."""
    async with client(url) as redis, redis_lock(redis) as lock:
        async with asyncio.timeout(5):
            await lock._wakes.connected.wait()
        say(event="ready")
        await asyncio.to_thread(sys.stdin.readline)

        async def caller() -> None:
            for _ in range(count):
                lease = await lock.acquire(KEY, timeout=30)
                began = time.monotonic_ns()
                await asyncio.sleep(hold_seconds)
                say(event="turn", began=began, ended=time.monotonic_ns())
                await lease.release()

        async with asyncio.TaskGroup() as group:
            for _ in range(waiters):
                group.create_task(caller())


async def limit(url: str, seconds: float, qps: float, tokens_per_minute: int, seed: int) -> None:
    """Ask as fast as it goes; says what passed, at the server's time, and what it used in the end."""
    chance = random.Random(seed)
    limits = TenantLimits(qps=qps, tokens_per_minute=tokens_per_minute, concurrent=0)
    passed: dict[str, dict[str, int]] = {}
    async with client(url) as redis, redis_limiter(redis) as limiter:
        run = limiter._link.run

        async def recording(script: Any, keys: Any, args: Any, **options: Any) -> Any:
            reply = await run(script, keys, args, **options)
            if script is RESERVE and not any(reply[:3]):
                passed[args[0]] = {"at": reply[3]}
            return reply

        limiter._link.run = recording  # type: ignore[method-assign]
        say(event="ready")
        await asyncio.to_thread(sys.stdin.readline)
        ends = time.monotonic() + seconds

        async def caller() -> None:
            while time.monotonic() < ends:
                tokens = chance.randrange(1, 60)
                try:
                    lease = await limiter.reserve("t", limits, tokens=tokens)
                except ResourceExhaustedError as refused:
                    await asyncio.sleep(min(0.02, refused.retry_after or 0))
                    continue
                await asyncio.sleep(chance.choice((0, 0.05, 0.3)))
                used = chance.choice((tokens, 0, chance.randrange(tokens + 1)))
                await lease.settle(used)
                passed[lease.lease_id]["used"] = used  # type: ignore[union-attr]

        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(caller())
    say(event="passed", history=list(passed.values()))


async def limit_naively(url: str, seconds: float, qps: float) -> None:
    """Protection off: count in windows of one second."""
    history = []
    async with plain_client(url) as redis:
        say(event="ready")
        await asyncio.to_thread(sys.stdin.readline)
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            now, micro = await redis.time()
            if await redis.incr(f"window:{now}") <= qps:
                history.append({"at": now * MICROSECONDS + micro, "used": 0})
            await asyncio.sleep(0.002)
    say(event="passed", history=history)


COMMANDS: dict[str, Any] = {
    "hold": (hold, float),
    "hold-naively": (hold_naively,),
    "turns": (turns, int, int, float),
    "limit": (limit, float, float, int, int),
    "limit-naively": (limit_naively, float, float),
}

if __name__ == "__main__":
    work, *types = COMMANDS[sys.argv[1]]
    arguments = [kind(value) for kind, value in zip(types, sys.argv[3:], strict=True)]
    asyncio.run(work(sys.argv[2], *arguments))
