"""The checkpoint log in Redis: one hash a session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.session import SessionKey, SessionWrite
from scriptgen.stores.protocols import Opened, OpenedSession
from scriptgen.stores.rules import check_keep, decoded_header, verified

from .backend import PRUNE, TAKE, RedisBackend
from .commit import append_record
from .reading import read, stored_checksum, stored_record

#: Records read at a time by `walk`: a state may have 1 MB.
WALK_CHUNK: Final = 16


class RedisCheckpointStore:
    """`append`, with or without a session, and every `open` take one round trip.

    `commits_sessions` is to be false when the sessions lie in another backend.
    """

    def __init__(self, backend: RedisBackend, *, commits_sessions: bool = True) -> None:
        self._backend = backend
        self.commits_sessions = commits_sessions

    async def append(
        self, record: CheckpointRecord, expected_version: int, *, session: SessionWrite | None = None
    ) -> None:
        await append_record(self._backend, record, expected_version, session)

    async def latest(self, key: SessionKey) -> CheckpointRecord | None:
        return (await read(self._backend, key, latest=True)).latest

    async def get(self, key: SessionKey, version: int) -> CheckpointRecord | None:
        (stored,) = await self._records(key, [version])
        return verified(stored, key, version) if stored else None

    async def find_request(self, key: SessionKey, request_id: str) -> CheckpointRecord | None:
        return (await read(self._backend, key, request_id=request_id)).found

    async def open(self, key: SessionKey, request_id: str | None) -> Opened:
        opened = await read(self._backend, key, latest=True, request_id=request_id)
        return Opened(opened.latest, opened.found)

    async def open_session(self, key: SessionKey, request_id: str | None, *, turns: int) -> OpenedSession:
        return await read(self._backend, key, turns=turns, latest=True, request_id=request_id)

    async def _records(self, key: SessionKey, versions: Sequence[int]) -> list[CheckpointRecord | None]:
        """As stored; None where nothing is."""
        fields = [f"{part}{version}" for version in versions for part in "chs"]
        found = await self._backend.command("HMGET", self._backend.keys.log(key), *fields)
        return [
            stored_record(key, version, *parts) if any(part is not None for part in parts) else None
            for version, parts in zip(
                versions, zip(found[::3], found[1::3], found[2::3], strict=True), strict=True
            )
        ]

    async def list(
        self, key: SessionKey, *, page_size: int, before_version: int | None = None
    ) -> Sequence[tuple[CheckpointHeader, str]]:
        oldest, newest = await self._bounds(key)
        last = newest if before_version is None else min(newest, before_version - 1)
        versions = range(last, max(oldest, last - page_size + 1) - 1, -1)
        if not versions:
            return ()
        fields = [f"{part}{version}" for version in versions for part in "ch"]
        found = await self._backend.command("HMGET", self._backend.keys.log(key), *fields)
        return [
            (decoded_header(key, version, header or b""), stored_checksum(flagged))
            for version, flagged, header in zip(versions, found[::2], found[1::2], strict=True)
            if flagged is not None or header is not None  # else pruned meanwhile
        ]

    async def walk(self, key: SessionKey) -> AsyncIterator[CheckpointRecord]:
        version, newest = await self._bounds(key)
        while version <= newest and newest:
            versions = range(version, min(version + WALK_CHUNK, newest + 1))
            for stored in await self._records(key, versions):
                if stored:
                    yield stored
            version = versions[-1] + 1
            if version > newest:
                _, newest = await self._bounds(key)

    async def prune(self, key: SessionKey, keep: int) -> int:
        check_keep(keep)
        dropped: int = await self._backend.run(PRUNE, [self._backend.keys.log(key)], [keep], repeat=False)
        return dropped

    async def delete(self, key: SessionKey) -> int:
        log = self._backend.keys.log(key)
        oldest, newest = await self._backend.run(TAKE, [log], ["oldest", "newest"], repeat=False)
        return int(newest) - int(oldest) + 1 if newest is not None else 0

    async def status(self) -> ComponentStatus:
        return await self._backend.status("checkpoint_store")

    async def close(self) -> None:
        await self._backend.close()

    async def _bounds(self, key: SessionKey) -> tuple[int, int]:
        """Oldest and newest version; (1, 0) of an empty log."""
        oldest, newest = await self._backend.command("HMGET", self._backend.keys.log(key), "oldest", "newest")
        return (int(oldest), int(newest)) if newest is not None else (1, 0)
