"""The session lock of many processes over Redis, with the local queue in front of it.

It saves work; compare-and-set in the stores protects the data, also from a holder that was stopped longer
than its lease, and while Redis is away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine
from typing import Any, Literal

from scriptgen.coordination.denial import overloaded
from scriptgen.coordination.failure import RedisBusyError, RedisConfigurationError, RedisOutageError
from scriptgen.coordination.keys import LOCK_WAKE_CHANNEL, lock_keys
from scriptgen.coordination.protocols import LockLease
from scriptgen.coordination.redis_lease import LeaseKeeper, RedisLease
from scriptgen.coordination.redis_link import LinkState, RedisClient, RedisLink, Script, ended_in_doubt
from scriptgen.coordination.session_queue import SessionQueue
from scriptgen.coordination.subscription import Subscription
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import ScriptgenError, SessionBusyError, StoreUnavailableError
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionKey

logger = logging.getLogger(__name__)

ACQUIRE = Script.load("lock_acquire")
RELEASE = Script.load("lock_release")

# Pauses of a waiter between two tries: wake-ups arrive at once, so these only cover a lost message.
POLL_SECONDS = (0.5, 1.0)
POLL_SECONDS_WITHOUT_WAKE = (0.03, 0.08)
# How long a waiter stays `next` without asking again (beyond its longest pause and a slow call), and how long
# a released lock is kept for it.
PATIENCE_MS = 2500
HAND_OVER_MS = 100


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
        self._keeper = LeaseKeeper(self._link, lease_seconds, self._give_back)
        self._contenders: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Look whether Redis is there (at most twice `operation_timeout`), then renew, listen and probe."""
        await self._link.start()
        await self._wakes.start()
        self._keeper.start()

    async def close(self) -> None:
        """Stop the background tasks; releases under way end within their own time bound."""
        await self._keeper.close()
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

    def attempt(self, key: SessionKey) -> asyncio.Task[RedisLease | None]:
        return self._spawn(self._attempt(key))

    def abandon(self, attempt: asyncio.Task[LockLease | None]) -> None:
        self._spawn(self._abandoned(attempt))

    async def _attempt(self, key: SessionKey) -> RedisLease | None:
        if not self._link.up or not self._queue.enter_free(key):
            return None
        loop = asyncio.get_running_loop()
        sent = loop.time()
        lease = self._lease(key)
        held: RedisLease | None = None
        try:
            if await self._ask(lease, patience_ms=0) == 0:
                self._keeper.hold(lease, sent)
                held = lease
        except (RedisOutageError, RedisConfigurationError) as error:
            held = self._unanswered(lease, error)
        finally:
            if held is None:
                self._queue.leave(key)
        if held is not None:
            self._observer.lock_wait_seconds(loop.time() - sent)
        return held

    async def _abandoned(self, attempt: asyncio.Task[LockLease | None]) -> None:
        with contextlib.suppress(ScriptgenError):
            lease = await attempt
            if lease is not None:
                await lease.release()

    async def _contend(self, key: SessionKey, deadline: float) -> RedisLease:
        """Ask Redis until the lock is ours. A process has one contender per session: its queue's head."""
        loop = asyncio.get_running_loop()
        lease = self._lease(key)
        wake = self._contenders[lease.tag] = asyncio.Event()
        attempt: asyncio.Task[Any] | None = None
        try:
            while self._link.up:
                wake.clear()
                sent = loop.time()
                attempt = self._spawn(self._ask(lease, PATIENCE_MS))
                # A caller that is cancelled leaves; its question runs on, and what it won is given back.
                wait_ms = await asyncio.shield(attempt)
                if wait_ms == 0:
                    self._keeper.hold(lease, sent)
                    return lease
                remaining = deadline - loop.time()
                if remaining <= 0:
                    raise self._queue.busy()
                await self._pause(wake, min(wait_ms / 1000, remaining))
        except (RedisOutageError, RedisConfigurationError) as error:
            return self._unanswered(lease, error)
        except (SessionBusyError, asyncio.CancelledError):
            self._spawn(self._undo(lease, attempt))
            raise
        finally:
            del self._contenders[lease.tag]
        return self._without_redis(lease)

    def _unanswered(self, lease: RedisLease, error: RedisOutageError | RedisConfigurationError) -> RedisLease:
        """What becomes of a question that Redis did not answer."""
        if isinstance(error, RedisBusyError):
            raise overloaded() from error
        if isinstance(error, RedisConfigurationError):
            raise self._unavailable() from error
        lease.doubtful = error.doubtful
        if lease.doubtful:
            self._give_back_later(lease)
        return self._without_redis(lease)

    def _without_redis(self, lease: RedisLease) -> RedisLease:
        if self._degrade == "reject":
            raise self._unavailable()
        lease.degraded = True
        return lease

    def _lease(self, key: SessionKey) -> RedisLease:
        return RedisLease(key, lambda lease: self._spawn(self._let_go(lease)))

    async def _ask(self, lease: RedisLease, patience_ms: int) -> int:
        reply = await self._link.run(
            ACQUIRE, lock_keys(lease.tag), [lease.token, self._keeper.lease_ms, patience_ms]
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

    async def _let_go(self, lease: RedisLease) -> None:
        """The whole release: Redis first, so that the next in this process does not meet our own lock."""
        try:
            async with lease.io:
                self._keeper.drop(lease)
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

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that `close` awaits."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
