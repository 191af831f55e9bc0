"""One component's way to Redis: scripts in bounded time, a breaker that probes by itself, and clean-up.

Every script of this room is safe to repeat, so a connection that breaks under a call is tried once more. Not
responsible for what to do without Redis: the lock and the limiter decide that.

The client must be built so that it does not wait or repeat by itself: `retry=Retry(NoBackoff(), 0)`, socket
timeouts no shorter than `operation_timeout`, and a pool that is large enough not to be a queue.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from typing import Any

import msgspec
from redis import exceptions as redis_errors
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from scriptgen.coordination.background import Background
from scriptgen.coordination.failure import (
    CLIENT_ERRORS,
    RedisBusyError,
    RedisConfigurationError,
    RedisOutageError,
    is_outage,
    may_have_applied,
)
from scriptgen.domain.own_time import own_time

logger = logging.getLogger(__name__)

RedisClient = Redis | RedisCluster
Undo = Callable[[], Awaitable[bool]]

# Calls at once. Their time counts from when they are sent, so a burst of callers is no slow Redis; with the
# stores' own bound it stays below the client's pool.
MAX_CALLS = 32
MAX_DOUBTS = 4096
# A command that was sent before its connection broke may still lie in a socket buffer, so one "not there" is
# no proof that it will not be applied.
ABSENCES_TO_FORGET = 2


class Script(msgspec.Struct, frozen=True):
    """A Lua script and its SHA-1, by which the server caches it."""

    text: str
    sha: str

    @classmethod
    def load(cls, name: str) -> Script:
        text = resources.files("scriptgen.coordination").joinpath("lua", f"{name}.lua").read_text("utf-8")
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


PROBE = Script.load("probe")


async def ended_in_doubt(attempt: asyncio.Task[Any]) -> bool:
    """Wait for a call whose caller has left; whether the server may apply it later than anything sent now."""
    await asyncio.wait({attempt})
    error = None if attempt.cancelled() else attempt.exception()
    return isinstance(error, RedisOutageError) and error.doubtful


class LinkState(StrEnum):
    UP = "up"
    OUTAGE = "outage"
    MISCONFIGURED = "misconfigured"


@dataclass(slots=True)
class _Doubt:
    undo: Undo
    absences: int = 0


class RedisLink:
    """Runs scripts. `state` is OUTAGE after `failures_to_open` outages in a row, until a probe succeeds."""

    def __init__(
        self,
        redis: RedisClient,
        *,
        name: str,
        operation_timeout: float,
        failures_to_open: int = 3,
        probe_seconds: tuple[float, float] = (2.0, 3.0),
        on_state: Callable[[LinkState], None],
    ) -> None:
        """`probe_seconds` are the shortest and longest pause between two probes; `name` is for the log."""
        self.state = LinkState.UP
        self.last_error = ""
        self._redis = redis
        self._name = name
        self._timeout = operation_timeout
        self._failures_to_open = failures_to_open
        self._probe_seconds = probe_seconds
        self._on_state = on_state
        self._failures = 0
        self._places = asyncio.Semaphore(MAX_CALLS)
        self._suspect = "scriptgen"
        self._doubts: dict[str, _Doubt] = {}
        self._work = asyncio.Event()
        self._watcher = Background(f"watcher of the {name}", self._watch)

    @property
    def up(self) -> bool:
        """Whether a call should be tried. A refusing Redis is tried: the caller gets the refusal."""
        return self.state is not LinkState.OUTAGE

    @property
    def doubts(self) -> int:
        """Commands whose effect is unknown and will be undone."""
        return len(self._doubts)

    async def start(self) -> None:
        """Probe once, so that the state is true before the first request, and watch from then on.

        Takes at most twice the operation timeout: a cold client also has to connect and, in a cluster, to
        learn the nodes.
        """
        if not self._watcher.started:
            if not await self._probe(2 * self._timeout) and self.state is LinkState.UP:
                self._become(LinkState.OUTAGE)
            self._watcher.start()

    async def close(self) -> None:
        await self._watcher.close()

    async def run(
        self, script: Script, keys: Sequence[str], args: Sequence[str | int], *, timeout: float | None = None
    ) -> Any:
        """The script's reply within `timeout` seconds. Raises RedisOutageError or RedisConfigurationError.

        Works in every state: a success closes the breaker. Beyond `MAX_CALLS` it waits for a place before
        that, at most twice the operation timeout, then raises RedisBusyError.
        """
        await self._enter()
        try:
            async with own_time(self._timeout if timeout is None else timeout):
                reply = await self._evaluate(script, keys, args)
        except CLIENT_ERRORS as error:
            raise self._failed(error, keys[0]) from error
        finally:
            self._places.release()
        self._failures = 0
        if self.state is not LinkState.UP:
            self._become(LinkState.UP)
        return reply

    def doubt(self, identity: str, undo: Undo) -> None:
        """Call `undo` once Redis works, until it reports success or finds nothing twice.

        Beyond `MAX_DOUBTS` the effect is left to expire.
        """
        if len(self._doubts) < MAX_DOUBTS:
            self._doubts[identity] = _Doubt(undo)
            self._work.set()

    async def _enter(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        was_up = self.up
        try:
            async with asyncio.timeout(2 * self._timeout):
                await self._places.acquire()
        except TimeoutError:
            raise RedisBusyError from None
        if was_up and not self.up:  # those in front found out; nobody has to wait for it again
            self._places.release()
            raise RedisOutageError(self.last_error, doubtful=False)

    async def _evaluate(self, script: Script, keys: Sequence[str], args: Sequence[str | int]) -> Any:
        try:
            return await self._redis.evalsha(script.sha, len(keys), *keys, *args)
        except redis_errors.NoScriptError:
            pass  # EVAL runs it and caches it again in the same round trip.
        except redis_errors.ConnectionError as error:
            if not is_outage(error) or isinstance(error, redis_errors.BusyLoadingError):
                raise
        return await self._redis.eval(script.text, len(keys), *keys, *args)

    def _failed(self, error: Exception, key: str) -> RedisOutageError | RedisConfigurationError:
        self.last_error = f"{type(error).__name__}: {error}".rstrip(": ")
        self._suspect = key
        if not is_outage(error):
            self._become(LinkState.MISCONFIGURED)
            return RedisConfigurationError(self.last_error)
        self._failures += 1
        if self._failures >= self._failures_to_open:
            self._become(LinkState.OUTAGE)
        return RedisOutageError(self.last_error, doubtful=may_have_applied(error))

    def _become(self, state: LinkState) -> None:
        if state is self.state:
            return
        self.state = state
        self._work.set()
        if state is LinkState.UP:
            self._failures = 0
            logger.warning("%s: Redis is back", self._name)
        else:
            logger.warning("%s: Redis %s (%s)", self._name, state.value, self.last_error)
        self._on_state(state)

    async def _probe(self, timeout: float | None = None) -> bool:
        """Half-open: one harmless write in the slot that failed last. A read would miss READONLY."""
        try:
            await self.run(PROBE, [f"{self._suspect}:probe"], [1000], timeout=timeout)
        except (RedisOutageError, RedisConfigurationError):
            return False
        return True

    async def _watch(self) -> None:
        while True:
            if self.state is LinkState.UP and not self._doubts:
                self._work.clear()
                await self._work.wait()
            await asyncio.sleep(random.uniform(*self._probe_seconds))  # noqa: S311  # jitter, not a secret
            if self.state is LinkState.UP or await self._probe():
                await self._undo_doubts()

    async def _undo_doubts(self) -> None:
        for identity, doubt in list(self._doubts.items()):
            try:
                found = await doubt.undo()
            except (RedisOutageError, RedisConfigurationError):
                return
            doubt.absences += 1
            if found or doubt.absences >= ABSENCES_TO_FORGET:
                self._doubts.pop(identity, None)
