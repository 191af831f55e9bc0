"""The session lock of one process. Not responsible for other processes: see `redis_lock`."""

from __future__ import annotations

import asyncio
from typing import Final

from scriptgen.coordination.session_queue import SessionQueue
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import SessionBusyError
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionKey


class LocalLease:
    """A held turn. Nobody can take it away."""

    __slots__ = ("_key", "_queue")

    lost: Final = None

    def __init__(self, queue: SessionQueue, key: SessionKey) -> None:
        self._queue: SessionQueue | None = queue
        self._key = key

    async def release(self) -> None:
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.leave(self._key)


class LocalSessionLock:
    """Strict FIFO per session; see `SessionLock` for what is raised."""

    def __init__(self, *, max_waiters: int, observer: Observer) -> None:
        self._queue = SessionQueue(max_waiters)
        self._observer = observer

    async def start(self) -> None:
        """Nothing runs in the background."""

    async def acquire(self, key: SessionKey, *, timeout: float) -> LocalLease:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._queue.enter(key, timeout)
        except SessionBusyError:
            self._observer.lock_timeout()
            raise
        self._observer.lock_wait_seconds(loop.time() - began)
        return LocalLease(self._queue, key)

    async def status(self) -> ComponentStatus:
        details = {"held": str(self._queue.held), "waiting": str(self._queue.waiting)}
        return ComponentStatus("session_lock", ComponentState.OK, "local", details)

    async def close(self) -> None:
        """Nothing to stop."""
