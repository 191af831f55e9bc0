"""The checkpoint log in memory. Compare and set happen without an await in between, so they are atomic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.session import SessionKey, SessionWrite
from scriptgen.stores.protocols import Opened, OpenedSession
from scriptgen.stores.rules import admits_append, check_keep, verified

from .state import Log, MemoryState


class MemoryCheckpointStore:
    """`commits_sessions` is to be false when the sessions lie in another backend."""

    def __init__(self, state: MemoryState, *, commits_sessions: bool = True) -> None:
        self._state = state
        self.commits_sessions = commits_sessions

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        state, key = self._state, record.key
        log = state.logs.get(key)
        newest = log.records[-1] if log else None
        appends = admits_append(
            newest.version if newest else 0, newest.checksum if newest else "", record, expected_version
        )
        saves = session is not None and state.admits(session)
        state.touch(key)
        if saves and session is not None:
            state.apply(session)
        if appends:
            if log is None:
                log = state.logs[key] = Log()
            log.records.append(record)
            log.by_request[record.header.request_id] = record
            if record.header.status.terminal:
                log.prune(state.retention.max_checkpoints)

    async def latest(self, key: SessionKey) -> CheckpointRecord | None:
        log = self._state.logs.get(key)
        return verified(log.records[-1], key, log.newest_version) if log else None

    async def get(self, key: SessionKey, version: int) -> CheckpointRecord | None:
        log = self._state.logs.get(key)
        if log is None or not 0 <= (at := log.index(version)) < len(log.records):
            return None
        return verified(log.records[at], key, version)

    async def find_request(self, key: SessionKey, request_id: str) -> CheckpointRecord | None:
        log = self._state.logs.get(key)
        found = log.by_request.get(request_id) if log else None
        return verified(found, key, found.version) if found else None

    async def open(self, key: SessionKey, request_id: str | None) -> Opened:
        latest = await self.latest(key)
        if request_id is None or latest is None or latest.header.request_id == request_id:
            return Opened(latest, latest if request_id is not None else None)
        return Opened(latest, await self.find_request(key, request_id))

    async def open_session(self, key: SessionKey, request_id: str | None, *, turns: int) -> OpenedSession:
        opened = await self.open(key, request_id)
        document = self._state.documents.get(key)
        return OpenedSession(document.session(turns) if document else None, opened.latest, opened.found)

    async def list(
        self, key: SessionKey, *, page_size: int, before_version: int | None = None
    ) -> Sequence[tuple[CheckpointHeader, str]]:
        log = self._state.logs.get(key)
        if log is None:
            return ()
        end = len(log.records) if before_version is None else max(0, log.index(before_version))
        page = log.records[:end][-page_size:]
        return [(record.header, record.checksum) for record in reversed(page)]

    async def walk(self, key: SessionKey) -> AsyncIterator[CheckpointRecord]:
        log = self._state.logs.get(key)
        for record in tuple(log.records) if log else ():
            yield record

    async def prune(self, key: SessionKey, keep: int) -> int:
        check_keep(keep)
        log = self._state.logs.get(key)
        return log.prune(keep) if log else 0

    async def delete(self, key: SessionKey) -> int:
        return self._state.drop_log(key)

    async def status(self) -> ComponentStatus:
        return ComponentStatus(
            "checkpoint_store", ComponentState.OK, "memory", {"logs": str(len(self._state.logs))}
        )

    async def close(self) -> None:
        """Nothing to release."""
