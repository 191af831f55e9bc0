"""Session documents in memory. Compare and set happen without an await in between, so they are atomic."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from typing import Final

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import SessionExistsError
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite
from scriptgen.stores.cursor import Position, decode_cursor, encode_cursor
from scriptgen.stores.protocols import SessionFilter, SessionPage
from scriptgen.stores.rules import shows

from .state import Document, MemoryState

#: Sessions looked at between two breaths of the event loop while a listing filters.
SCAN_CHUNK: Final = 1_000


class MemorySessionStore:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def create(self, session: Session) -> None:
        state, key = self._state, session.head.key
        if key in state.documents:
            raise SessionExistsError(key.session_id)
        state.touch(key)
        document = state.documents[key] = Document(session.head)
        document.add(session.turns, session.scripts, state.retention.max_turns)
        insort(state.positions.setdefault(key.tenant_id, []), document.position)

    async def load(self, key: SessionKey, *, turns: int | None = None) -> Session | None:
        document = self._state.documents.get(key)
        return document.session(turns) if document else None

    async def save(self, write: SessionWrite) -> None:
        if self._state.admits(write):
            self._state.apply(write)
        self._state.touch(write.head.key)

    async def list(
        self, tenant_id: str, where: SessionFilter, *, page_size: int, cursor: str = ""
    ) -> SessionPage:
        position = decode_cursor(cursor)
        heads: list[SessionHead] = []
        last: Position = (0, "")
        while True:
            positions = self._state.positions.get(tenant_id, [])
            end = len(positions) if position is None else bisect_left(positions, position)
            for at in range(end - 1, max(end - SCAN_CHUNK, 0) - 1, -1):
                head = self._state.documents[SessionKey(tenant_id, positions[at][1])].head
                if not shows(where, head):
                    continue
                if len(heads) == page_size:
                    return SessionPage(tuple(heads), encode_cursor(last))
                heads.append(head)
                last = positions[at]
            if end <= SCAN_CHUNK:
                return SessionPage(tuple(heads))
            position = positions[end - SCAN_CHUNK]
            await asyncio.sleep(0)

    async def delete(self, key: SessionKey) -> bool:
        return self._state.drop_document(key)

    async def status(self) -> ComponentStatus:
        return ComponentStatus(
            "session_store", ComponentState.OK, "memory", {"sessions": str(len(self._state.documents))}
        )

    async def close(self) -> None:
        """Nothing to release."""
