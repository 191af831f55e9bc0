"""The arguments and the answer of lua/commit.lua."""

from __future__ import annotations

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.errors import SessionExistsError, VersionConflictError
from scriptgen.domain.session import Script, Session, SessionHead, SessionKey, SessionWrite, Turn
from scriptgen.stores.rules import check_write, revision_conflict, session_gone

from .backend import COMMIT, RedisBackend, Word


async def create_session(backend: RedisBackend, session: Session) -> None:
    head = session.head
    words = _session_words(backend, head, session.turns, session.scripts)
    created: list[Word] = ["create", head.create_time]
    await _commit(backend, head.key, [*_NO_RECORD, *created, *words])


async def save_session(backend: RedisBackend, write: SessionWrite) -> None:
    await _commit(backend, write.head.key, [*_NO_RECORD, *_write_words(backend, write)])


async def append_record(
    backend: RedisBackend, record: CheckpointRecord, expected_version: int, session: SessionWrite | None
) -> None:
    if record.version != expected_version + 1:
        raise VersionConflictError(f"version {record.version} cannot follow {expected_version}")
    header = record.header
    words: list[Word] = [
        "1",
        expected_version,
        record.checksum,
        "T" if header.status.terminal else "U",
        header.request_id,
        canonical_json(header),
        record.state,
        backend.retention.max_checkpoints,
    ]
    await _commit(backend, record.key, [*words, *(_write_words(backend, session) if session else [""])])


_NO_RECORD: list[Word] = [""] * 8


def _write_words(backend: RedisBackend, write: SessionWrite) -> list[Word]:
    check_write(write)
    words = _session_words(backend, write.head, write.turns, write.scripts)
    return ["save", write.expected_revision, *words]


def _session_words(
    backend: RedisBackend, head: SessionHead, turns: tuple[Turn, ...], scripts: tuple[Script, ...]
) -> list[Word]:
    words: list[Word] = [
        head.revision,
        canonical_json(head),
        backend.retention.max_turns,
        len(turns),
    ]
    for turn in turns:
        words += [turn.turn_index, canonical_json(turn)]
    words.append(len(scripts))
    for script in scripts:
        words += [script.script_id, script.turn_index, canonical_json(script)]
    return words


async def _commit(backend: RedisBackend, key: SessionKey, words: list[Word]) -> None:
    ttl = backend.retention.ttl_seconds * 1_000
    answer: bytes = await backend.run(COMMIT, backend.keys.of_session(key), [ttl, *words])
    verdict, _, newest = answer.decode().partition(" ")
    if verdict == "VERSION":
        raise VersionConflictError(f"the newest version is {newest}")
    if verdict == "REVISION":
        raise revision_conflict()
    if verdict == "GONE":
        raise session_gone()
    if verdict == "EXISTS":
        raise SessionExistsError(key.session_id)
