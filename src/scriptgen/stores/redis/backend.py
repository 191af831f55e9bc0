"""Runs commands and scripts on Redis for the three stores: bounded in time, errors mapped, replies repeated.

Not responsible for connecting (connect.py) nor for what the scripts do (lua/).
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from typing import Any, Final, TypeVar

import msgspec
from redis import exceptions
from redis.asyncio import Redis, RedisCluster

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.own_time import own_time
from scriptgen.stores.retention import Retention

from .faults import FAILURES, store_error
from .keys import Keys

T = TypeVar("T")
Client = Redis | RedisCluster
Word = str | bytes | int


class Script(msgspec.Struct, frozen=True):
    """Lua source and the name under which the server keeps it."""

    source: str
    sha: str


def _script(*names: str) -> Script:
    folder = files(__package__) / "lua"
    source = "\n".join((folder / f"{name}.lua").read_text(encoding="utf-8") for name in names)
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


COMMIT: Final = _script("drop", "commit")
OPEN: Final = _script("open")
PRUNE: Final = _script("drop", "prune")
TAKE: Final = _script("take")
PUT_PROFILE: Final = _script("put_profile")


#: Calls at once, below the client's pool: what waits here is this process's own queue, not a slow server.
MAX_CALLS: Final = 48


class RedisBackend:
    """Shared by the three stores. `timeout` in seconds bounds every call, a repeated one included, from when
    it is sent; beyond `MAX_CALLS` it waits at most four times as long for its turn.
    """

    def __init__(
        self, client: Client, retention: Retention | None = None, *, prefix: str = "sg", timeout: float = 0.5
    ) -> None:
        self.keys = Keys(prefix)
        self.retention = retention or Retention()
        self._client = client
        self._timeout = timeout
        self._places = asyncio.Semaphore(MAX_CALLS)
        self._closed = False

    async def run(
        self, script: Script, keys: Sequence[str], words: Sequence[Word], *, repeat: bool = True
    ) -> Any:
        """The script's answer in one round trip; `repeat` suits those that change nothing the second time."""

        async def evaluated() -> Any:
            try:
                return await self._client.evalsha(script.sha, len(keys), *keys, *words)
            except exceptions.NoScriptError:  # a new or restarted server
                return await self._client.eval(script.source, len(keys), *keys, *words)

        return await self._bounded(evaluated, repeat=repeat)

    async def command(self, *words: Word) -> Any:
        """The answer to one command that names one key and may be repeated."""
        return await self._bounded(lambda: self._client.execute_command(*words))

    async def commands(self, commands: Sequence[Sequence[Word]]) -> list[Any]:
        """The answers to such commands, which need not share a slot, in one round trip."""
        if not commands:
            return []

        async def pipelined() -> list[Any]:
            async with self._client.pipeline(transaction=False) as pipeline:
                for words in commands:
                    pipeline.execute_command(*words)
                answers: list[Any] = await pipeline.execute()
                return answers

        return await self._bounded(pipelined)

    async def _bounded(self, operation: Callable[[], Awaitable[T]], *, repeat: bool = True) -> T:
        """The operation, made once more when the connection broke under it and its reply may be lost."""
        if self._closed:
            raise StoreUnavailableError("The connection to Redis is closed.")
        await self._enter()
        try:
            async with own_time(self._timeout):
                try:
                    return await operation()
                except exceptions.ConnectionError:
                    if not repeat:
                        raise
                    return await operation()
        except FAILURES as error:
            mapped = store_error(error)
            if mapped is error:
                raise
            raise mapped from error
        finally:
            self._places.release()

    async def _enter(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(4 * self._timeout):
                await self._places.acquire()
        except TimeoutError:
            raise StoreUnavailableError("Too many calls wait for Redis.", retry_after=1.0) from None

    async def status(self, name: str) -> ComponentStatus:
        """DOWN unless a write goes through: a replica answers a ping too."""
        try:
            await self.command("SET", self.keys.probe(), "1", "PX", 60_000)
        except StoreUnavailableError as error:
            return ComponentStatus(name, ComponentState.DOWN, "redis", {"error": error.message})
        return ComponentStatus(name, ComponentState.OK, "redis")

    async def close(self) -> None:
        """Close the client. A second call does nothing."""
        if not self._closed:
            self._closed = True
            await self._client.aclose()
