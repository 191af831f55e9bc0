"""Memory backend: the embedded default and the fastest; everything is gone when the process ends."""

from .checkpoints import MemoryCheckpointStore
from .profiles import MemoryProfileStore
from .sessions import MemorySessionStore
from .state import MemoryState

__all__ = ["MemoryCheckpointStore", "MemoryProfileStore", "MemorySessionStore", "MemoryState"]
