"""Tells every instance over Redis that a generation shall end. Best effort: the checkpoint log decides.

Not responsible for ending anything: the callback does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets

from scriptgen.coordination.failure import CLIENT_ERRORS
from scriptgen.coordination.keys import CANCEL_CHANNEL
from scriptgen.coordination.local_cancel_bus import Callback, LocalCancelBus
from scriptgen.coordination.redis_link import RedisClient
from scriptgen.coordination.subscription import Subscription
from scriptgen.domain.own_time import own_time
from scriptgen.domain.session import SessionKey

logger = logging.getLogger(__name__)


class RedisCancelBus:
    """Every process: one pub/sub channel. This process is told directly, so it needs no Redis for itself."""

    def __init__(self, redis: RedisClient, *, operation_timeout: float = 0.5) -> None:
        self._redis = redis
        self._timeout = operation_timeout
        self._instance = secrets.token_hex(8)
        self._local = LocalCancelBus()
        self._subscription = Subscription(
            redis, CANCEL_CHANNEL, self._receive, operation_timeout=operation_timeout
        )

    @property
    def connected(self) -> asyncio.Event:
        """Set while cancels of other instances arrive."""
        return self._subscription.connected

    def listen(self, callback: Callback) -> None:
        self._local.listen(callback)

    async def start(self) -> None:
        await self._subscription.start()

    async def publish(self, key: SessionKey, request_id: str) -> None:
        """Does not raise when Redis is away: the other instances then miss it."""
        self._local.notify(key, request_id)
        message = json.dumps([self._instance, key.tenant_id, key.session_id, request_id])
        try:
            async with own_time(self._timeout):
                await self._redis.execute_command("PUBLISH", CANCEL_CHANNEL, message)
        except CLIENT_ERRORS as error:
            logger.warning("cancel bus: other instances were not told (%s)", type(error).__name__)

    async def close(self) -> None:
        await self._subscription.close()

    def _receive(self, message: str) -> None:
        try:
            content = json.loads(message)
        except ValueError:
            content = None
        match content:
            case [str(instance), str(tenant_id), str(session_id), str(request_id)]:
                if instance != self._instance:
                    self._local.notify(SessionKey(tenant_id, session_id), request_id)
            case _:
                logger.warning("cancel bus: a message of %d characters is not ours", len(message))
