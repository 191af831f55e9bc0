"""Lets one caller at a time work on a session. The lock itself is in `coordination`.

It only avoids wasted work; compare-and-set in the stores is what protects data.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from scriptgen.coordination.protocols import SessionLock
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

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        remaining = call.remaining()
        timeout = self._timeout if remaining is None else min(self._timeout, remaining)
        key = SessionKey(call.principal.tenant_id, call.request.session_id)
        lease = await self._lock.acquire(key, timeout=timeout)
        call.grant.lock = lease
        try:
            yield
        finally:
            if not call.grant.taken:
                await lease.release()
