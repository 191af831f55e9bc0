"""Builds the session lock, the rate limiter and the cancel bus that the settings ask for. The Redis client is
only imported where it is used: it takes 7 MB.

Not responsible for the connection to Redis they share: see `state_stores`.
"""

from __future__ import annotations

from typing import Any

from scriptgen.coordination.local_cancel_bus import LocalCancelBus
from scriptgen.coordination.local_limiter import LocalRateLimiter
from scriptgen.coordination.local_lock import LocalSessionLock
from scriptgen.coordination.protocols import CancelBus, RateLimiter, SessionLock
from scriptgen.coordination.unlimited import UnlimitedRateLimiter
from scriptgen.domain.observer import Observer
from scriptgen.settings import Settings

from .state_stores import Stores


def coordination_of(
    settings: Settings, stores: Stores, observer: Observer
) -> tuple[SessionLock, RateLimiter, CancelBus]:
    redis: Any = stores.redis
    lock: SessionLock
    if settings.distributed_lock:
        from scriptgen.coordination.redis_lock import RedisSessionLock  # noqa: PLC0415

        lock = RedisSessionLock(
            redis,
            lease_seconds=settings.distributed_lock_lease_seconds,
            max_waiters=settings.session_lock_max_waiters,
            degrade=settings.session_lock_degrade,
            observer=observer,
        )
    else:
        lock = LocalSessionLock(max_waiters=settings.session_lock_max_waiters, observer=observer)
    # A lease must outlive the longest generation, or its place would be given away under it.
    lease_seconds = settings.llm_total_timeout_seconds * 2 + settings.session_lock_timeout_seconds
    limiter: RateLimiter
    if not settings.core_rate_limit_enabled:
        limiter = UnlimitedRateLimiter()
    elif settings.core_rate_limit_backend == "redis":
        from scriptgen.coordination.redis_limiter import RedisRateLimiter  # noqa: PLC0415

        limiter = RedisRateLimiter(
            redis,
            lease_seconds=lease_seconds,
            replicas=max(settings.rate_limit_replicas, settings.server_workers),
            shadow=settings.core_rate_limit_shadow,
            observer=observer,
        )
    else:
        limiter = LocalRateLimiter(
            lease_seconds=lease_seconds,
            replicas=settings.server_workers,
            shadow=settings.core_rate_limit_shadow,
            observer=observer,
        )
    bus: CancelBus = LocalCancelBus()
    if redis is not None:
        from scriptgen.coordination.cancel_bus import RedisCancelBus  # noqa: PLC0415

        bus = RedisCancelBus(redis)
    return lock, limiter, bus
