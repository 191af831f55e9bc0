"""Lets one caller at a time work on a session. The lock itself is in `coordination`.

It only avoids wasted work; compare-and-set in the stores is what protects data.
"""

from __future__ import annotations

from typing import ClassVar

from scriptgen.coordination.protocols import LockLease, SessionLock
from scriptgen.domain.session import SessionKey

from .call import Call
from .chain import Interceptor
from .methods import LOCKED


class SessionLockInterceptor(Interceptor):
    name: ClassVar[str] = "session_lock"

    def __init__(self, lock: SessionLock, timeout: float) -> None:
        """`timeout` in seconds bounds the wait, as does the call's deadline."""
        self._lock = lock
        self._timeout = timeout

    def applies_to(self, method: str) -> bool:
        return method in LOCKED

    async def enter(self, call: Call) -> None:
        lease: LockLease | None = None
        if call.head_start is not None:
            lease, call.grant.opened = await call.head_start.take()
        if lease is None:
            remaining = call.remaining()  # what the head start has left of it
            timeout = self._timeout if remaining is None else min(self._timeout, remaining)
            key = SessionKey(call.principal.tenant_id, call.request.session_id)
            lease = await self._lock.acquire(key, timeout=timeout)
        call.grant.lock = lease

    async def leave(self, call: Call, error: BaseException | None) -> None:  # noqa: ARG002
        if not call.grant.taken and call.grant.lock is not None:
            await call.grant.lock.release()
