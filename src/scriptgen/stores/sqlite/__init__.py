"""SQLite backend: one file, one writer thread with group commit, reads beside it."""

from .checkpoints import SqliteCheckpointStore
from .database import SqliteDatabase
from .profiles import SqliteProfileStore
from .sessions import SqliteSessionStore

__all__ = ["SqliteCheckpointStore", "SqliteDatabase", "SqliteProfileStore", "SqliteSessionStore"]
