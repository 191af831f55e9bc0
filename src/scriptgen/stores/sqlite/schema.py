"""The tables and how older files become current. `user_version` of a file says which steps it has.

All tables are clustered by tenant and session, so that what one request touches lies together. Columns that
listings filter by come before the documents: SQLite then never reads the long ones for them.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from scriptgen.domain.errors import StoreUnavailableError

#: One entry a version, never changed once released.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """
        CREATE TABLE sessions (
            tenant TEXT NOT NULL, session TEXT NOT NULL,
            revision INTEGER NOT NULL,
            create_time INTEGER NOT NULL,   -- µs since the epoch
            written_at INTEGER NOT NULL,    -- s since the epoch, for retention
            user_id TEXT NOT NULL, category TEXT NOT NULL, influencer TEXT NOT NULL,
            head BLOB NOT NULL,
            PRIMARY KEY (tenant, session)
        ) WITHOUT ROWID
        """,
        # Covers a listing's filters: a page reads documents only of the sessions it shows.
        """
        CREATE INDEX sessions_newest ON sessions (
            tenant, create_time, session, user_id, category, influencer
        )
        """,
        """
        CREATE TABLE turns (
            tenant TEXT NOT NULL, session TEXT NOT NULL, turn_index INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (tenant, session, turn_index)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE scripts (
            tenant TEXT NOT NULL, session TEXT NOT NULL, turn_index INTEGER NOT NULL,
            version INTEGER NOT NULL, script_id TEXT NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (tenant, session, turn_index, version, script_id),
            UNIQUE (tenant, session, script_id)
        ) WITHOUT ROWID
        """,
        """
        CREATE TABLE checkpoints (
            tenant TEXT NOT NULL, session TEXT NOT NULL, version INTEGER NOT NULL,
            request_id TEXT NOT NULL,
            terminal INTEGER NOT NULL,
            written_at INTEGER NOT NULL,    -- s since the epoch, for retention
            checksum TEXT NOT NULL,
            header BLOB NOT NULL,
            state BLOB NOT NULL,
            PRIMARY KEY (tenant, session, version)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX checkpoints_request ON checkpoints (tenant, session, request_id, version)",
        """
        CREATE TABLE profiles (
            tenant TEXT NOT NULL, influencer TEXT NOT NULL,
            revision INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (tenant, influencer)
        ) WITHOUT ROWID
        """,
    ),
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version in one transaction; another process may try the same."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _missing(connection):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _missing(connection: sqlite3.Connection) -> list[str]:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise StoreUnavailableError(
            f"The database file was written by a newer release: its schema is {version}, "
            f"this release knows up to {len(MIGRATIONS)}."
        )
    return [statement for statements in MIGRATIONS[version:] for statement in statements]
