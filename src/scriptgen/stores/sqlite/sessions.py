"""Session documents in SQLite: a head row, and a row for each turn and script."""

from __future__ import annotations

import sqlite3
import time

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.errors import SessionExistsError
from scriptgen.domain.session import Script, Session, SessionHead, SessionKey, SessionWrite, Turn
from scriptgen.stores.cursor import decode_cursor, encode_cursor
from scriptgen.stores.protocols import SessionFilter, SessionPage
from scriptgen.stores.rules import admits_save, decoded_document

from .database import SqliteDatabase

_INSERT = """
    INSERT INTO sessions
        (tenant, session, revision, create_time, written_at, user_id, category, influencer, head)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_UPDATE = """
    UPDATE sessions SET revision = ?, written_at = ?, user_id = ?, category = ?, influencer = ?, head = ?
    WHERE tenant = ? AND session = ?
"""
_OLDEST_KEPT_TURN = """
    SELECT turn_index FROM turns WHERE tenant = ? AND session = ? ORDER BY turn_index DESC LIMIT 1 OFFSET ?
"""
_PAGE = """
    SELECT create_time, session, head FROM sessions INDEXED BY sessions_newest
    WHERE tenant = :tenant
      AND (create_time, session) < (:create_time, :session)
      AND (:user IS NULL OR user_id IN ('', :user))
      AND (:category = '' OR category = :category)
      AND (:influencer = '' OR influencer = :influencer)
    ORDER BY create_time DESC, session DESC LIMIT :limit
"""
#: Sorts after every session: the start of a listing.
_NEWEST = (2**63 - 1, chr(0x10FFFF))


class SqliteSessionStore:
    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def create(self, session: Session) -> None:
        await self._database.write(
            lambda connection: create(connection, session, self._database.retention.max_turns)
        )

    async def load(self, key: SessionKey, *, turns: int | None = None) -> Session | None:
        return await self._database.read(lambda connection: load(connection, key, turns))

    async def save(self, write: SessionWrite) -> None:
        await self._database.write(
            lambda connection: save(connection, write, self._database.retention.max_turns)
        )

    async def list(
        self, tenant_id: str, where: SessionFilter, *, page_size: int, cursor: str = ""
    ) -> SessionPage:
        create_time, session = decode_cursor(cursor) or _NEWEST
        names = {
            "tenant": tenant_id,
            "create_time": create_time,
            "session": session,
            "user": where.user_id,
            "category": where.category,
            "influencer": where.influencer_name,
            "limit": page_size + 1,  # one more tells whether there is a next page
        }
        rows = await self._database.read(lambda connection: connection.execute(_PAGE, names).fetchall())
        heads = tuple(decoded_document(head, SessionHead) for _, _, head in rows[:page_size])
        if len(rows) <= page_size:
            return SessionPage(heads)
        last_time, last_session, _ = rows[page_size - 1]
        return SessionPage(heads, encode_cursor((last_time, last_session)))

    async def delete(self, key: SessionKey) -> bool:
        return await self._database.write(lambda connection: delete(connection, key))

    async def status(self) -> ComponentStatus:
        return await self._database.status("session_store")

    async def close(self) -> None:
        await self._database.close()


def create(connection: sqlite3.Connection, session: Session, max_turns: int) -> None:
    head = session.head
    inserted = connection.execute(
        _INSERT,
        (
            *_place(head.key),
            head.revision,
            head.create_time,
            int(time.time()),
            head.user_id,
            head.category,
            head.influencer.name,
            canonical_json(head),
        ),
    )
    if not inserted.rowcount:
        raise SessionExistsError(head.session_id)
    _add(connection, head.key, session.turns, session.scripts, max_turns)


def load(connection: sqlite3.Connection, key: SessionKey, turns: int | None) -> Session | None:
    place = _place(key)
    row = connection.execute("SELECT head FROM sessions WHERE tenant = ? AND session = ?", place).fetchone()
    if row is None:
        return None
    head = decoded_document(row[0], SessionHead)
    if turns == 0:
        return Session(head)
    first = None if turns is None else connection.execute(_OLDEST_KEPT_TURN, (*place, turns - 1)).fetchone()
    since = (*place, first[0] if first else -1)
    turn_rows = connection.execute(
        "SELECT body FROM turns WHERE tenant = ? AND session = ? AND turn_index >= ? ORDER BY turn_index",
        since,
    ).fetchall()
    script_rows = connection.execute(
        "SELECT body FROM scripts WHERE tenant = ? AND session = ? AND turn_index >= ?"
        " ORDER BY turn_index, version, script_id",
        since,
    ).fetchall()
    return Session(
        head,
        tuple(decoded_document(body, Turn) for (body,) in turn_rows),
        tuple(decoded_document(body, Script) for (body,) in script_rows),
    )


def save(connection: sqlite3.Connection, write: SessionWrite, max_turns: int) -> None:
    """Compare and set; the caller's transaction makes both one."""
    head, place, document = write.head, _place(write.head.key), canonical_json(write.head)
    stored = connection.execute(
        "SELECT revision, head FROM sessions WHERE tenant = ? AND session = ?", place
    ).fetchone()
    if not admits_save(stored and stored[0], bool(stored) and stored[1] == document, write):
        return
    connection.execute(
        _UPDATE,
        (
            head.revision,
            int(time.time()),
            head.user_id,
            head.category,
            head.influencer.name,
            document,
            *place,
        ),
    )
    _add(connection, head.key, write.turns, write.scripts, max_turns)


def delete(connection: sqlite3.Connection, key: SessionKey) -> bool:
    place = _place(key)
    connection.execute("DELETE FROM turns WHERE tenant = ? AND session = ?", place)
    connection.execute("DELETE FROM scripts WHERE tenant = ? AND session = ?", place)
    gone = connection.execute("DELETE FROM sessions WHERE tenant = ? AND session = ?", place)
    return gone.rowcount > 0


def _add(
    connection: sqlite3.Connection,
    key: SessionKey,
    turns: tuple[Turn, ...],
    scripts: tuple[Script, ...],
    max_turns: int,
) -> None:
    place = _place(key)
    connection.executemany(
        "INSERT OR REPLACE INTO turns (tenant, session, turn_index, body) VALUES (?, ?, ?, ?)",
        [(*place, turn.turn_index, canonical_json(turn)) for turn in turns],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO scripts (tenant, session, turn_index, version, script_id, body)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [
            (*place, script.turn_index, script.version, script.script_id, canonical_json(script))
            for script in scripts
        ],
    )
    # Turn indices count from 0 or 1 without gaps, so a short session never pays for the look-up.
    if turns and turns[-1].turn_index >= max_turns:
        kept = connection.execute(_OLDEST_KEPT_TURN, (*place, max_turns - 1)).fetchone()
        if kept:
            for table in ("turns", "scripts"):
                connection.execute(
                    f"DELETE FROM {table} WHERE tenant = ? AND session = ? AND turn_index < ?",  # noqa: S608
                    (*place, kept[0]),
                )


def _place(key: SessionKey) -> tuple[str, str]:
    return key.tenant_id, key.session_id
