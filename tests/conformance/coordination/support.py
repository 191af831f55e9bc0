"""What the tests of the coordination room share: clients, factories, and an observer that remembers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from scriptgen.coordination.redis_limiter import RedisRateLimiter
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.coordination.redis_lock import RedisSessionLock
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionKey
from scriptgen.stores.redis.connect import connect

KEY = SessionKey("t1", "s1")
# Seconds for one call to Redis. A busy machine may stall a test; those about slowness use PRODUCTION.
PATIENT = 5.0
QUICK: dict[str, Any] = {"operation_timeout": PATIENT, "probe_seconds": (0.2, 0.3)}
PRODUCTION: dict[str, Any] = {"operation_timeout": 0.5, "probe_seconds": (2.0, 3.0)}


class Recorder(Observer):
    """Remembers what the room reported."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.timeouts = 0
        self.degraded: list[bool] = []
        self.decisions: list[tuple[str, str]] = []
        self.ratios: list[float] = []

    def lock_wait_seconds(self, seconds: float) -> None:
        self.waits.append(seconds)

    def lock_timeout(self) -> None:
        self.timeouts += 1

    def lock_degraded(self, degraded: bool) -> None:
        self.degraded.append(degraded)

    def rate_limit_decision(self, decision: str, reason: str) -> None:
        self.decisions.append((decision, reason))

    def tokens_reserved_ratio(self, ratio: float) -> None:
        self.ratios.append(ratio)


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 2.0) -> float:
    """Wait until `condition` holds; the seconds it took. Fails after `within` seconds."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(within):
        while not await condition():  # the condition lies in another process
            await asyncio.sleep(0.002)
    return loop.time() - began


@contextlib.asynccontextmanager
async def client(url: str, timeout: float = PATIENT) -> AsyncIterator[RedisClient]:
    """A client as the service builds it."""
    redis = connect(url, timeout=timeout)
    try:
        yield redis
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def plain_client(url: str) -> AsyncIterator[Redis]:
    """A client for looking at a single server directly."""
    redis = Redis.from_url(url)
    try:
        yield redis
    finally:
        await redis.aclose()


@contextlib.asynccontextmanager
async def redis_lock(redis: RedisClient, **options: Any) -> AsyncIterator[RedisSessionLock]:
    """A started lock that probes quickly."""
    settings = QUICK | {"max_waiters": 16, "observer": Observer()} | options
    lock = RedisSessionLock(redis, **settings)
    await lock.start()
    try:
        yield lock
    finally:
        await lock.close()


@contextlib.asynccontextmanager
async def redis_limiter(redis: RedisClient, **options: Any) -> AsyncIterator[RedisRateLimiter]:
    """A started limiter that probes quickly."""
    settings = QUICK | {"observer": Observer()} | options
    limiter = RedisRateLimiter(redis, **settings)
    await limiter.start()
    try:
        yield limiter
    finally:
        await limiter.close()
