"""The session lock of many processes over Redis, with the local queue in front of it.

It saves work; compare-and-set in the stores protects the data, also from a holder that was stopped longer
than its lease, and while Redis is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import secrets
from collections.abc import Coroutine
from typing import Any, Literal

from scriptgen.coordination.background import Background
from scriptgen.coordination.denial import overloaded
from scriptgen.coordination.failure import RedisBusyError, RedisConfigurationError, RedisOutageError
from scriptgen.coordination.keys import LOCK_WAKE_CHANNEL, lock_keys, session_tag
from scriptgen.coordination.redis_link import LinkState, RedisClient, RedisLink, Script, ended_in_doubt
from scriptgen.coordination.session_queue import SessionQueue
from scriptgen.coordination.subscription import Subscription
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import SessionBusyError, StoreUnavailableError
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionKey

logger = logging.getLogger(__name__)

ACQUIRE = Script.load("lock_acquire")
RENEW = Script.load("lock_renew")
RELEASE = Script.load("lock_release")

RENEW_AFTER = 1 / 3
LOST_AFTER = 0.8
# How often the keeper looks at the leases, as a part of one lease: renewals of many leases fall together.
TICK = 1 / 24
RENEWALS_AT_ONCE = 32
# Pauses of a waiter between two tries: wake-ups arrive at once, so these only cover a lost message.
POLL_SECONDS = (0.5, 1.0)
POLL_SECONDS_WITHOUT_WAKE = (0.03, 0.08)
# How long a waiter stays `next` without asking again (beyond its longest pause and a slow call), and how long
# a released lock is kept for it.
PATIENCE_MS = 2500
HAND_OVER_MS = 100


class RedisLease:
    """A held session: the turn in this process and, unless `degraded`, the lock in Redis.

    `doubtful` is a degraded lease whose token may have reached Redis all the same.
    """

    __slots__ = (
        *("degraded", "doubtful", "io", "key", "lost", "sent", "tag", "token"),
        *("_lock", "_lost_timer", "_release"),
    )

    def __init__(self, lock: RedisSessionLock, key: SessionKey, token: str) -> None:
        self.lost = asyncio.Event()
        self.key = key
        self.tag = session_tag(key)
        self.token = token
        self.degraded = False
        self.doubtful = False
        # A renewal that overtakes the release would take the lock again.
        self.io = asyncio.Lock()
        self.sent = 0.0
        self._lock = lock
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
            self._release = self._lock.spawn(self._lock.let_go(self))
        await asyncio.shield(self._release)


class RedisSessionLock:
    """See `SessionLock`. Acquire and release of a free session take one round trip each.

    `start` it first: without its background tasks nothing is renewed, woken or probed.
    """

    def __init__(
        self,
        redis: RedisClient,
        *,
        lease_seconds: float = 30.0,
        max_waiters: int = 16,
        operation_timeout: float = 0.5,
        degrade: Literal["local", "reject"] = "local",
        failures_to_open: int = 3,
        probe_seconds: tuple[float, float] = (2.0, 3.0),
        observer: Observer,
    ) -> None:
        """`max_waiters` bounds one session's waiters in this process. For the client see `redis_link`."""
        self._lease_seconds = lease_seconds
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._degrade = degrade
        self._observer = observer
        self._release_timeout = 0.8 * operation_timeout
        self._probe_pause = probe_seconds[1]
        self._queue = SessionQueue(max_waiters)
        self._link = RedisLink(
            redis,
            name="session lock",
            operation_timeout=operation_timeout,
            failures_to_open=failures_to_open,
            probe_seconds=probe_seconds,
            on_state=lambda state: observer.lock_degraded(state is not LinkState.UP),
        )
        self._wakes = Subscription(redis, LOCK_WAKE_CHANNEL, self._wake, operation_timeout=operation_timeout)
        self._contenders: dict[str, asyncio.Event] = {}
        self._held: set[RedisLease] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._keeper = Background("keeper of the session locks", self._keep)

    async def start(self) -> None:
        """Look whether Redis is there (at most twice `operation_timeout`), then renew, listen and probe."""
        await self._link.start()
        await self._wakes.start()
        self._keeper.start()

    async def close(self) -> None:
        """Stop the background tasks; releases under way end within their own time bound."""
        await self._keeper.close()
        for lease in self._held:
            lease.stop_timer()
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wakes.close()
        await self._link.close()

    async def status(self) -> ComponentStatus:
        details = {
            "held": str(self._queue.held),
            "waiting": str(self._queue.waiting),
            "wake_ups": "subscribed" if self._wakes.connected.is_set() else "polling",
        }
        if self._link.state is LinkState.UP:
            return ComponentStatus("session_lock", ComponentState.OK, "redis", details)
        details["error"] = self._link.last_error
        if self._link.state is LinkState.OUTAGE and self._degrade == "local":
            return ComponentStatus("session_lock", ComponentState.DEGRADED, "local", details)
        return ComponentStatus("session_lock", ComponentState.DOWN, "redis", details)

    async def acquire(self, key: SessionKey, *, timeout: float) -> RedisLease:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await self._queue.enter(key, timeout)
            try:
                lease = await self._contend(key, began + timeout)
            except BaseException:
                self._queue.leave(key)
                raise
        except SessionBusyError:
            self._observer.lock_timeout()
            raise
        self._observer.lock_wait_seconds(loop.time() - began)
        return lease

    async def _contend(self, key: SessionKey, deadline: float) -> RedisLease:
        """Ask Redis until the lock is ours. A process has one contender per session: its queue's head."""
        loop = asyncio.get_running_loop()
        lease = RedisLease(self, key, secrets.token_hex(16))
        wake = self._contenders[lease.tag] = asyncio.Event()
        attempt: asyncio.Task[Any] | None = None
        try:
            while self._link.up:
                wake.clear()
                sent = loop.time()
                attempt = self.spawn(self._ask(lease))
                # A caller that is cancelled leaves; its question runs on, and what it won is given back.
                wait_ms = await asyncio.shield(attempt)
                if wait_ms == 0:
                    lease.extend(sent, self._lease_seconds)
                    self._held.add(lease)
                    return lease
                remaining = deadline - loop.time()
                if remaining <= 0:
                    raise self._queue.busy()
                await self._pause(wake, min(wait_ms / 1000, remaining))
        except RedisBusyError as error:
            raise overloaded() from error
        except RedisOutageError as error:
            lease.doubtful = error.doubtful
            if lease.doubtful:
                self._give_back_later(lease)
        except RedisConfigurationError as error:
            raise self._unavailable() from error
        except (SessionBusyError, asyncio.CancelledError):
            self.spawn(self._undo(lease, attempt))
            raise
        finally:
            del self._contenders[lease.tag]
        if self._degrade == "reject":
            raise self._unavailable()
        lease.degraded = True
        return lease

    async def _ask(self, lease: RedisLease) -> int:
        reply = await self._link.run(
            ACQUIRE, lock_keys(lease.tag), [lease.token, self._lease_ms, PATIENCE_MS]
        )
        return int(reply)

    async def _pause(self, wake: asyncio.Event, longest: float) -> None:
        bounds = POLL_SECONDS if self._wakes.connected.is_set() else POLL_SECONDS_WITHOUT_WAKE
        pause = min(longest, random.uniform(*bounds))  # noqa: S311  # jitter, not a secret
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await wake.wait()

    def _wake(self, tag: str) -> None:
        contender = self._contenders.get(tag)
        if contender is not None:
            contender.set()

    def _unavailable(self) -> StoreUnavailableError:
        return StoreUnavailableError(
            "Session locks are not available at the moment.", retry_after=self._probe_pause
        )

    async def let_go(self, lease: RedisLease) -> None:
        """The whole release: Redis first, so that the next in this process does not meet our own lock."""
        try:
            async with lease.io:
                self._held.discard(lease)
                if not lease.degraded or (lease.doubtful and self._link.up):
                    await self._undo(lease)
        finally:
            self._queue.leave(lease.key)

    async def _undo(self, lease: RedisLease, attempt: asyncio.Task[Any] | None = None) -> None:
        """Give back what the token has, after `attempt` has ended; later, when Redis is away now."""
        if not self._link.up or (attempt is not None and await ended_in_doubt(attempt)):
            self._give_back_later(lease)
            return
        try:
            await self._give_back(lease)
        except RedisOutageError:
            self._give_back_later(lease)
        except RedisConfigurationError:
            logger.warning("session lock: Redis refused a release; the lease will run out")

    def _give_back_later(self, lease: RedisLease) -> None:
        self._link.doubt(lease.token, lambda: self._give_back(lease))

    async def _give_back(self, lease: RedisLease) -> bool:
        found: int = await self._link.run(
            RELEASE,
            lock_keys(lease.tag),
            [lease.token, HAND_OVER_MS, LOCK_WAKE_CHANNEL, lease.tag],
            timeout=self._release_timeout,
        )
        return found == 1

    async def _keep(self) -> None:
        """One task renews every lease of this process, until it is released or lost."""
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
                kept = await self._link.run(RENEW, lock_keys(lease.tag)[:1], [lease.token, self._lease_ms])
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

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that `close` awaits."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
