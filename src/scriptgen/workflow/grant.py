"""What an admitted generation holds until it ends: its tokens and its session.

The edge obtains both before the work; the generation takes them over, because it may outlive the call that
began it (a second caller joined), and gives them back when it ends. Knows nothing of Redis or gRPC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from scriptgen.stores.protocols import OpenedSession


class QuotaHold(Protocol):
    """A reservation of tokens."""

    async def settle(self, actual_tokens: int | None) -> None: ...


class LockHold(Protocol):
    """A held session; `lost` is set when another holder may be running, None when that cannot be."""

    @property
    def lost(self) -> asyncio.Event | None: ...

    async def release(self) -> None: ...


class Grant:
    """Filled by the edge, taken by a generation. Whoever has not handed it on must close it."""

    __slots__ = ("lock", "opened", "quota", "taken")

    def __init__(self) -> None:
        self.quota: QuotaHold | None = None
        self.lock: LockHold | None = None
        self.opened: OpenedSession | None = None
        """The session as it was read under the lock, where the edge has done so."""
        self.taken = False

    def watch(self, lost: Callable[[], None]) -> asyncio.Task[None] | None:
        """Call `lost` when the session is; None when that cannot be. The task is the caller's to end."""
        event = self.lock.lost if self.lock is not None else None
        if event is None:
            return None

        async def watching() -> None:
            await event.wait()
            lost()

        return asyncio.create_task(watching(), name="lease-watch")

    async def close(self, tokens: int | None) -> None:
        """Settle at `tokens` (None: unknown, the reservation stays charged) and release the session."""
        quota, self.quota = self.quota, None
        lock, self.lock = self.lock, None
        both = []
        if lock is not None:
            both.append(lock.release())
        if quota is not None:
            both.append(quota.settle(tokens))
        # Neither raises, and neither has to wait for the other's round trip.
        await asyncio.gather(*both)
