"""Session documents in Redis."""

from __future__ import annotations

from typing import Final

from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.errors import SessionExistsError
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite
from scriptgen.stores.cursor import Position, decode_cursor, encode_cursor
from scriptgen.stores.protocols import SessionFilter, SessionPage
from scriptgen.stores.rules import shows

from .backend import TAKE, RedisBackend
from .commit import create_session, save_session
from .index import SessionIndex
from .reading import ALL_TURNS, read

#: Heads read in one round trip while a listing filters.
SCAN_CHUNK: Final = 200


class RedisSessionStore:
    """`load` and `save` take one round trip, `create` and `delete` two, a page of a listing two or more."""

    def __init__(self, backend: RedisBackend) -> None:
        self._backend = backend
        self._index = SessionIndex(backend)

    async def create(self, session: Session) -> None:
        key, position = session.head.key, _position(session.head)
        await self._index.add(key.tenant_id, position)
        try:
            await create_session(self._backend, session)
        except SessionExistsError:
            # Drops the entry again, unless it is the one of the session that was there.
            if await self._index.heads(key.tenant_id, [position]) == [None]:
                await self._index.remove(key.tenant_id, position)
            raise
        await self._index.tidy(key.tenant_id)

    async def load(self, key: SessionKey, *, turns: int | None = None) -> Session | None:
        opened = await read(self._backend, key, turns=ALL_TURNS if turns is None else turns)
        return opened.session

    async def save(self, write: SessionWrite) -> None:
        await save_session(self._backend, write)

    async def list(
        self, tenant_id: str, where: SessionFilter, *, page_size: int, cursor: str = ""
    ) -> SessionPage:
        before = decode_cursor(cursor)
        shown: list[tuple[Position, SessionHead]] = []
        # One more than a page tells whether there is a next one.
        chunk = min(SCAN_CHUNK, page_size + 1)
        while len(shown) <= page_size:
            positions = await self._index.page(tenant_id, before, chunk)
            heads = await self._index.heads(tenant_id, positions)
            shown += [
                (position, head)
                for position, head in zip(positions, heads, strict=True)
                if head is not None and shows(where, head)
            ]
            if len(positions) < chunk:
                break
            before, chunk = positions[-1], SCAN_CHUNK
        page = shown[:page_size]
        return SessionPage(
            tuple(head for _, head in page), encode_cursor(page[-1][0]) if len(shown) > page_size else ""
        )

    async def delete(self, key: SessionKey) -> bool:
        session, turns, scripts, _ = self._backend.keys.of_session(key)
        place, _ = await self._backend.run(TAKE, [session, turns, scripts], ["place", "head"], repeat=False)
        if place is None:
            return False
        await self._index.remove(key.tenant_id, (int(place), key.session_id))
        return True

    async def status(self) -> ComponentStatus:
        return await self._backend.status("session_store")

    async def close(self) -> None:
        await self._backend.close()


def _position(head: SessionHead) -> Position:
    return head.create_time, head.session_id
