"""What Redis' errors mean to a caller. A wrong command or script is our own fault and passes unchanged."""

from __future__ import annotations

from typing import Final

from redis import exceptions
from redis.exceptions import RedisClusterException, RedisError

from scriptgen.domain.errors import StoreUnavailableError

FAILURES: Final = (RedisError, RedisClusterException, OSError, TimeoutError)
"""Everything a client call may raise that is not our own mistake."""

_WRONG_SETUP: Final = "Redis refuses this service; its setup is wrong."
_WRONG_SETUP_TEXTS: Final = ("NOAUTH", "WRONGPASS", "WRONGTYPE", "NOPERM", "DB index")
_SENTENCES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.AuthenticationError, _WRONG_SETUP),
    (exceptions.AuthorizationError, _WRONG_SETUP),
    (exceptions.NoPermissionError, _WRONG_SETUP),
    (exceptions.ReadOnlyError, "Redis takes no writes at the moment."),
    (exceptions.BusyLoadingError, "Redis is still loading its data."),
    (exceptions.OutOfMemoryError, "Redis is out of memory."),
    (exceptions.TimeoutError, "Redis did not answer in time."),
    (TimeoutError, "Redis did not answer in time."),
)


def store_error(error: Exception) -> Exception:
    """The error to raise in place of `error`; its sentence names no host."""
    text = str(error)
    if text.startswith(_WRONG_SETUP_TEXTS):
        return StoreUnavailableError(_WRONG_SETUP)
    # The library cuts off the general code ERR; what the server cannot do now keeps a code of its own
    # (MISCONF, NOREPLICAS, BUSY).
    if type(error) is exceptions.ResponseError and not text.partition(" ")[0].isupper():
        return error
    sentences = (sentence for kind, sentence in _SENTENCES if isinstance(error, kind))
    return StoreUnavailableError(next(sentences, "Redis cannot be reached."))
