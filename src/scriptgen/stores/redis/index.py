"""The tenant's index of sessions: what listings walk, newest first.

The index lies in another slot than the sessions, so no script writes both. It is written before a session is
made and after one is deleted: an entry may therefore stand for a session that is not there (a crash in
between, or its time was up), never the other way round. Readers pass over such entries and drop old ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from scriptgen.domain.session import SessionHead, SessionKey
from scriptgen.stores.cursor import Position
from scriptgen.stores.rules import decoded_document

from .backend import RedisBackend

#: An entry younger than this may belong to a session that is being made.
SETTLED_SECONDS: Final = 3_600
#: Entries looked at with every new session, so that the index of a tenant who never lists stays bounded.
SAMPLE: Final = 3


class SessionIndex:
    """Entries are strings that sort like positions: 20 digits of create time, then the session id."""

    def __init__(self, backend: RedisBackend) -> None:
        self._backend = backend

    async def add(self, tenant_id: str, position: Position) -> None:
        await self._backend.command("ZADD", self._backend.keys.index(tenant_id), 0, _entry(position))

    async def tidy(self, tenant_id: str) -> None:
        """Drop a few entries whose session's time was up, if chance shows some."""
        if self._backend.retention.ttl_seconds:
            key = self._backend.keys.index(tenant_id)
            entries = await self._backend.command("ZRANDMEMBER", key, SAMPLE)
            await self.heads(tenant_id, [_position(entry) for entry in entries])

    async def remove(self, tenant_id: str, position: Position) -> None:
        await self._backend.command("ZREM", self._backend.keys.index(tenant_id), _entry(position))

    async def page(self, tenant_id: str, before: Position | None, count: int) -> list[Position]:
        """The next `count` positions, newest first."""
        start = b"+" if before is None else b"(" + _entry(before)
        entries = await self._backend.command(
            "ZREVRANGEBYLEX", self._backend.keys.index(tenant_id), start, b"-", "LIMIT", 0, count
        )
        return [_position(entry) for entry in entries]

    async def heads(self, tenant_id: str, positions: Sequence[Position]) -> list[SessionHead | None]:
        """The head at each position, None where no such session is."""
        answers = await self._backend.commands(
            [("HMGET", self._session_key(tenant_id, position), "place", "head") for position in positions]
        )
        heads: list[SessionHead | None] = []
        for position, (place, head) in zip(positions, answers, strict=True):
            there = place is not None and int(place) == position[0]
            heads.append(decoded_document(head, SessionHead) if there else None)
            if not there and position[0] < (time.time() - SETTLED_SECONDS) * 1_000_000:
                await self.remove(tenant_id, position)
        return heads

    def _session_key(self, tenant_id: str, position: Position) -> str:
        return self._backend.keys.of_session(SessionKey(tenant_id, position[1]))[0]


def _entry(position: Position) -> bytes:
    return b"%020d%s" % (max(0, position[0]), position[1].encode())


def _position(entry: bytes) -> Position:
    return int(entry[:20]), entry[20:].decode()
