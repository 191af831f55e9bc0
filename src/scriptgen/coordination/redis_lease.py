"""A session held through Redis, and the task that keeps all such leases of a process from running out.

Not responsible for taking or giving back a lock: see `redis_lock`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from scriptgen.coordination.background import Background
from scriptgen.coordination.failure import RedisConfigurationError, RedisOutageError
from scriptgen.coordination.keys import lock_keys, session_tag
from scriptgen.coordination.redis_link import RedisLink, Script
from scriptgen.domain.session import SessionKey

RENEW = Script.load("lock_renew")

RENEW_AFTER = 1 / 3
LOST_AFTER = 0.8
# How often the keeper looks at the leases, as a part of one lease: renewals of many leases fall together.
TICK = 1 / 24
RENEWALS_AT_ONCE = 32


class RedisLease:
    """A held session: the turn in this process and, unless `degraded`, the lock in Redis.

    `doubtful` is a degraded lease whose token may have reached Redis all the same.
    """

    __slots__ = (
        *("degraded", "doubtful", "io", "key", "lost", "sent", "tag", "token"),
        *("_let_go", "_lost_timer", "_release"),
    )

    def __init__(self, key: SessionKey, let_go: Callable[[RedisLease], asyncio.Task[None]]) -> None:
        """`let_go` begins the release and owns its task."""
        self.lost = asyncio.Event()
        self.key = key
        self.tag = session_tag(key)
        self.token = secrets.token_hex(16)
        self.degraded = False
        self.doubtful = False
        # A renewal that overtakes the release would take the lock again.
        self.io = asyncio.Lock()
        self.sent = 0.0
        self._let_go = let_go
        self._lost_timer: asyncio.TimerHandle | None = None
        self._release: asyncio.Task[None] | None = None

    @property
    def released(self) -> bool:
        return self._release is not None

    def extend(self, sent: float, lease_seconds: float) -> None:
        """The server extended the lease after `sent` (loop time): it surely runs that long from then."""
        self.stop_timer()
        self.sent = sent
        if not self.lost.is_set() and not self.released:
            loop = asyncio.get_running_loop()
            self._lost_timer = loop.call_at(sent + LOST_AFTER * lease_seconds, self.lost.set)

    def stop_timer(self) -> None:
        if self._lost_timer is not None:
            self._lost_timer.cancel()
            self._lost_timer = None

    async def release(self) -> None:
        if self._release is None:
            self.stop_timer()
            self._release = self._let_go(self)
        await asyncio.shield(self._release)


class LeaseKeeper:
    """Renews every held lease of this process, until it is dropped or lost."""

    def __init__(
        self, link: RedisLink, lease_seconds: float, give_back: Callable[[RedisLease], Awaitable[bool]]
    ) -> None:
        """`give_back` releases in Redis what a lease's token has there; whether it had anything."""
        self.lease_ms = max(1, round(lease_seconds * 1000))
        self._link = link
        self._lease_seconds = lease_seconds
        self._give_back = give_back
        self._held: set[RedisLease] = set()
        self._keeper = Background("keeper of the session locks", self._keep)

    def start(self) -> None:
        self._keeper.start()

    async def close(self) -> None:
        """From here on nothing is renewed or declared lost."""
        await self._keeper.close()
        for lease in self._held:
            lease.stop_timer()

    def hold(self, lease: RedisLease, sent: float) -> None:
        """`lease` was won by a question sent at `sent` (loop time)."""
        lease.extend(sent, self._lease_seconds)
        self._held.add(lease)

    def drop(self, lease: RedisLease) -> None:
        self._held.discard(lease)

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(TICK * self._lease_seconds)
            now = loop.time()
            age = (RENEW_AFTER - TICK / 2) * self._lease_seconds
            due = [lease for lease in self._held if now - lease.sent >= age and not lease.lost.is_set()]
            due.sort(key=lambda lease: lease.sent)
            for start in range(0, len(due), RENEWALS_AT_ONCE):
                async with asyncio.TaskGroup() as group:
                    for lease in due[start : start + RENEWALS_AT_ONCE]:
                        group.create_task(self._renew(lease))

    async def _renew(self, lease: RedisLease) -> None:
        """Outages are tried again at the next tick, until the lease's timer says that it is lost."""
        async with lease.io:
            if lease.released or lease.lost.is_set():
                return
            sent = asyncio.get_running_loop().time()
            try:
                kept = await self._link.run(RENEW, lock_keys(lease.tag)[:1], [lease.token, self.lease_ms])
            except RedisOutageError as error:
                if error.doubtful:
                    # It may yet be applied after the release; this only acts once the lease is released.
                    self._link.doubt(lease.token, lambda: self._give_back_if_released(lease))
                return
            except RedisConfigurationError:
                return
            if kept:
                lease.extend(sent, self._lease_seconds)
            else:
                lease.stop_timer()
                lease.lost.set()

    async def _give_back_if_released(self, lease: RedisLease) -> bool:
        return await self._give_back(lease) if lease.released else False
