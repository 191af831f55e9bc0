"""One owned background task: started once, awaited when closed, and loud should it ever end by an error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class Background:
    """Runs `work` from `start` to `close`; both may be repeated."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    @property
    def started(self) -> bool:
        return self._task is not None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            # Not awaited itself: its cancellation is not ours.
            await asyncio.wait({task})

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception:
            logger.exception("%s stopped", self._name)
            raise
