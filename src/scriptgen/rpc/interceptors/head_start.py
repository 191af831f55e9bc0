"""Asks for the session's lock, and reads the session behind it, while the quota is being decided: the three
then share one round trip to Redis instead of taking one each.

Not responsible for waiting: a session that is not free at once is left to `session_lock`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final

from scriptgen.coordination.protocols import EagerSessionLock, LockLease
from scriptgen.domain.errors import ResourceExhaustedError, ScriptgenError
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.identity import Principal
from scriptgen.stores.protocols import OpenedSession

from .call import Call
from .chain import Interceptor
from .methods import GENERATING

Read = Callable[[GenerationRequest, Principal], Awaitable[OpenedSession]]

#: Tenants whose last request was refused; a few too many forgotten cost a round trip each.
_MAX_REFUSED: Final = 4096


class HeadStart:
    """One session that was asked for and not yet taken."""

    __slots__ = ("_attempt", "_lock", "_opening", "_taken")

    def __init__(
        self, lock: EagerSessionLock, read: Read, request: GenerationRequest, principal: Principal
    ) -> None:
        self._lock = lock
        # In this order: what is read behind the lock's question is read under the lock.
        self._attempt = lock.attempt(request.key)
        self._opening = asyncio.create_task(_tried(read, request, principal))
        self._taken = False

    async def take(self) -> tuple[LockLease | None, OpenedSession | None]:
        """The session's lock if it was free, and what was read if it could be; for one taker."""
        lease = await asyncio.shield(self._attempt)
        # Read while another held the session, it is out of date.
        opened = await self._opening if lease is not None else None
        self._taken = True
        return lease, opened

    async def close(self) -> None:
        """Give back what was not taken."""
        if not self._taken:
            self._lock.abandon(self._attempt)
        self._opening.cancel()
        await asyncio.wait({self._opening})


class HeadStartInterceptor(Interceptor):
    name: ClassVar[str] = "head_start"

    def __init__(self, lock: EagerSessionLock | None, read: Read) -> None:
        """`lock` None where it would save nothing: then no method passes through here."""
        self._lock = lock
        self._read = read
        self._refused: set[str] = set()

    def applies_to(self, method: str) -> bool:
        return self._lock is not None and method in GENERATING

    async def enter(self, call: Call) -> None:
        tenant = call.principal.tenant_id
        # A tenant at its limits is to cost a refusal and nothing else.
        if self._lock is not None and call.generation is not None and tenant not in self._refused:
            call.head_start = HeadStart(self._lock, self._read, call.generation, call.principal)

    async def leave(self, call: Call, error: BaseException | None) -> None:
        tenant = call.principal.tenant_id
        if isinstance(error, ResourceExhaustedError):
            if len(self._refused) >= _MAX_REFUSED:
                self._refused.clear()
            self._refused.add(tenant)
        elif error is None:
            self._refused.discard(tenant)
        if call.head_start is not None:
            await call.head_start.close()


async def _tried(read: Read, request: GenerationRequest, principal: Principal) -> OpenedSession | None:
    """What was read; an error is left to the generation, which reads again and tells it."""
    try:
        return await read(request, principal)
    except ScriptgenError:
        return None
