"""What the memory stores share: documents, logs and profiles, their order and their limits.

Stored objects are the caller's own frozen dataclasses: nothing is copied, and nobody may change a dict inside
them.
"""

from __future__ import annotations

import time
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Sequence

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Script, Session, SessionHead, SessionKey, SessionWrite, Turn
from scriptgen.stores.cursor import Position
from scriptgen.stores.retention import Retention
from scriptgen.stores.rules import admits_save, prune_up_to


class Document:
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


class Log:
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
        self.documents: dict[SessionKey, Document] = {}
        self.logs: dict[SessionKey, Log] = {}
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


def _turn_index(turn: Turn) -> int:
    return turn.turn_index


def _script_turn(script: Script) -> int:
    return script.turn_index


def _script_place(script: Script) -> tuple[int, int, str]:
    return script.turn_index, script.version, script.script_id
