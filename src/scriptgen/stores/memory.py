"""Memory backend: the embedded default and the fastest; everything is gone when the process ends.

One `MemoryState` is shared by the three stores. Compare and set happen without an await in between, so they
are atomic on one event loop. Stored objects are the caller's own frozen dataclasses: nothing is copied, and
nobody may change a dict inside them.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import SessionExistsError, StoreUnavailableError
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Script, Session, SessionHead, SessionKey, SessionWrite, Turn

from .cursor import Position, decode_cursor, encode_cursor
from .protocols import Opened, OpenedSession, SessionFilter, SessionPage
from .retention import Retention
from .rules import (
    admits_append,
    admits_save,
    check_profile_revision,
    prune_up_to,
    revision_conflict,
    shows,
    verified,
)

#: Sessions looked at between two breaths of the event loop while a listing filters.
SCAN_CHUNK = 1_000


class _Document:
    """A stored session. Turns are sorted by index, scripts by turn and version, so the newest are a slice."""

    __slots__ = ("_script_ids", "head", "position", "scripts", "turns")

    def __init__(self, head: SessionHead) -> None:
        self.head = head
        self.position: Position = (head.create_time, head.session_id)
        self.turns: list[Turn] = []
        self.scripts: list[Script] = []
        self._script_ids: set[str] = set()

    def add(self, turns: Sequence[Turn], scripts: Sequence[Script], max_turns: int) -> None:
        for turn in turns:
            at = bisect_left(self.turns, turn.turn_index, key=_turn_index)
            same = at < len(self.turns) and self.turns[at].turn_index == turn.turn_index
            self.turns[at : at + same] = [turn]
        for script in scripts:
            if script.script_id in self._script_ids:
                self.scripts = [old for old in self.scripts if old.script_id != script.script_id]
            self._script_ids.add(script.script_id)
            insort(self.scripts, script, key=_script_place)
        if len(self.turns) > max_turns:
            del self.turns[:-max_turns]
            dropped = bisect_left(self.scripts, self.turns[0].turn_index, key=_script_turn)
            self._script_ids.difference_update(script.script_id for script in self.scripts[:dropped])
            del self.scripts[:dropped]

    def session(self, turns: int | None) -> Session:
        if turns is None or turns >= len(self.turns):
            return Session(self.head, tuple(self.turns), tuple(self.scripts))
        if turns == 0:
            return Session(self.head)
        newest = self.turns[-turns:]
        first = bisect_left(self.scripts, newest[0].turn_index, key=_script_turn)
        return Session(self.head, tuple(newest), tuple(self.scripts[first:]))


class _Log:
    """The records of one session without gaps, and the newest of each request."""

    __slots__ = ("by_request", "records")

    def __init__(self) -> None:
        self.records: list[CheckpointRecord] = []
        self.by_request: dict[str, CheckpointRecord] = {}

    @property
    def newest_version(self) -> int:
        return self.records[-1].version if self.records else 0

    def index(self, version: int) -> int:
        """Where `version` lies, whatever the stored record itself says its version is."""
        return version - self.newest_version + len(self.records) - 1

    def drop_up_to(self, version: int) -> int:
        count = max(0, self.index(version) + 1)
        for record in self.records[:count]:
            if self.by_request.get(record.header.request_id) is record:
                del self.by_request[record.header.request_id]
        del self.records[:count]
        return count

    def prune(self, keep: int) -> int:
        statuses = (record.header.status for record in reversed(self.records))
        return self.drop_up_to(prune_up_to(self.newest_version, keep, statuses))


class MemoryState:
    """What the memory stores share. `clock` gives seconds and is only used for `ttl_seconds`."""

    def __init__(
        self, retention: Retention | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.retention = retention or Retention()
        self._clock = clock
        self.documents: dict[SessionKey, _Document] = {}
        self.logs: dict[SessionKey, _Log] = {}
        self.positions: dict[str, list[Position]] = {}  # by tenant, oldest first
        self.profiles: dict[tuple[str, str], StyleProfile] = {}
        self._written: OrderedDict[SessionKey, float] = OrderedDict()  # longest idle first

    def touch(self, key: SessionKey) -> None:
        """Note a write. A session and its log age together, or a log that went first would begin at 1."""
        if key not in self._written:
            self._make_room()
        self._written[key] = self._clock()
        self._written.move_to_end(key)

    def _make_room(self) -> None:
        if ttl := self.retention.ttl_seconds:
            oldest = self._clock() - ttl
            while self._written and next(iter(self._written.values())) < oldest:
                key = next(iter(self._written))
                self.drop_document(key)
                self.drop_log(key)
        if len(self._written) >= self.retention.max_sessions:
            raise StoreUnavailableError("The service holds as many sessions as it may.")

    def admits(self, write: SessionWrite) -> bool:
        document = self.documents.get(write.head.key)
        if document is None:
            return admits_save(None, False, write)
        return admits_save(document.head.revision, document.head == write.head, write)

    def apply(self, write: SessionWrite) -> None:
        document = self.documents[write.head.key]
        document.head = write.head
        document.add(write.turns, write.scripts, self.retention.max_turns)

    def drop_document(self, key: SessionKey) -> bool:
        document = self.documents.pop(key, None)
        if document is None:
            return False
        positions = self.positions[key.tenant_id]
        del positions[bisect_left(positions, document.position)]
        if not positions:
            del self.positions[key.tenant_id]
        self._forget(key)
        return True

    def drop_log(self, key: SessionKey) -> int:
        log = self.logs.pop(key, None)
        self._forget(key)
        return len(log.records) if log else 0

    def _forget(self, key: SessionKey) -> None:
        if key not in self.documents and key not in self.logs:
            self._written.pop(key, None)


class MemorySessionStore:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def create(self, session: Session) -> None:
        state, key = self._state, session.head.key
        if key in state.documents:
            raise SessionExistsError(key.session_id)
        state.touch(key)
        document = state.documents[key] = _Document(session.head)
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
                log = state.logs[key] = _Log()
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


class MemoryProfileStore:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        return self._state.profiles.get((tenant_id, influencer))

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        check_profile_revision(profile.revision, expected_revision)
        profiles, place = self._state.profiles, (tenant_id, influencer)
        stored = profiles.get(place)
        if stored == profile:
            return
        if (stored.revision if stored else 0) != expected_revision:
            raise revision_conflict()
        if stored is None and len(profiles) >= self._state.retention.max_sessions:
            raise StoreUnavailableError("The service holds as many style profiles as it may.")
        profiles[place] = profile

    async def status(self) -> ComponentStatus:
        return ComponentStatus(
            "profile_store", ComponentState.OK, "memory", {"profiles": str(len(self._state.profiles))}
        )

    async def close(self) -> None:
        """Nothing to release."""


def _turn_index(turn: Turn) -> int:
    return turn.turn_index


def _script_turn(script: Script) -> int:
    return script.turn_index


def _script_place(script: Script) -> tuple[int, int, str]:
    return script.turn_index, script.version, script.script_id
