"""Redis backend: plain commands and Lua of Redis ≥ 7 and Valkey, one hash tag a session."""

from .backend import RedisBackend
from .checkpoints import RedisCheckpointStore
from .connect import connect
from .profiles import RedisProfileStore
from .sessions import RedisSessionStore

__all__ = ["RedisBackend", "RedisCheckpointStore", "RedisProfileStore", "RedisSessionStore", "connect"]
