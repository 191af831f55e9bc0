"""What SQLite's errors mean to a caller. A wrong statement is our own fault and passes through unchanged."""

from __future__ import annotations

import sqlite3
from typing import Final

from scriptgen.domain.errors import StoreUnavailableError

_SENTENCES: Final = {
    sqlite3.SQLITE_FULL: "The service's disk is full.",
    sqlite3.SQLITE_READONLY: "The service's database cannot be written.",
    sqlite3.SQLITE_PERM: "The service's database cannot be written.",
    sqlite3.SQLITE_CORRUPT: "The service's database is damaged.",
    sqlite3.SQLITE_NOTADB: "The service's database is damaged.",
    sqlite3.SQLITE_BUSY: "The service's database is busy.",
    sqlite3.SQLITE_LOCKED: "The service's database is busy.",
    sqlite3.SQLITE_IOERR: "The service's disk does not take or give data.",
    sqlite3.SQLITE_CANTOPEN: "The service's database cannot be opened.",
    sqlite3.SQLITE_NOMEM: "The service is out of memory.",
    sqlite3.SQLITE_TOOBIG: "The document is larger than the database takes.",
}


def store_error(error: sqlite3.Error) -> StoreUnavailableError | sqlite3.Error:
    """The error to raise in place of `error`."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary code
    sentence = _SENTENCES.get(code)
    return StoreUnavailableError(sentence) if sentence else error
