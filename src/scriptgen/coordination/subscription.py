"""One owned task that listens to a Redis channel and comes back by itself after any loss of connection.

Messages that are published meanwhile are missed: whoever listens must have another way to find out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from scriptgen.coordination.background import Background
from scriptgen.coordination.failure import CLIENT_ERRORS
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.domain.own_time import own_time


class Subscription:
    """Calls `on_message` with every payload. `connected` tells whether messages arrive now."""

    def __init__(
        self,
        redis: RedisClient,
        channel: str,
        on_message: Callable[[str], None],
        *,
        operation_timeout: float,
        heartbeat: float = 2.0,
        pause: float = 0.5,
    ) -> None:
        """`heartbeat` is after how many silent seconds the connection is tried, `pause` how long to wait
        before connecting again.
        """
        self.connected = asyncio.Event()
        self._redis = redis
        self._channel = channel
        self._on_message = on_message
        self._timeout = operation_timeout
        self._heartbeat = heartbeat
        self._pause = pause
        self._listener = Background(f"subscription to {channel}", self._run)

    async def start(self) -> None:
        self._listener.start()

    async def close(self) -> None:
        await self._listener.close()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(*CLIENT_ERRORS):
                await self._listen()
            await asyncio.sleep(self._pause)

    async def _listen(self) -> None:
        """Until the connection breaks or stays silent after a ping."""
        async with own_time(self._timeout):
            await self._redis.initialize()  # A cluster's nodes are unknown before.
        pubsub = self._redis.pubsub()
        try:
            async with own_time(self._timeout):
                await pubsub.subscribe(self._channel)
            silent = False
            while True:
                message: dict[str, Any] | None = await pubsub.get_message(timeout=self._heartbeat)
                if message is None:
                    if silent:
                        return
                    silent = True
                    async with own_time(self._timeout):
                        await pubsub.ping()
                    continue
                silent = False
                self._take(message)
        finally:
            self.connected.clear()
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":
            self.connected.set()
        elif message["type"] == "message":
            data = message["data"]
            self._on_message(data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data))
