"""What Redis' errors mean to a caller. A wrong command or script is our own fault and passes unchanged."""

from __future__ import annotations

from redis import exceptions
from redis.exceptions import RedisClusterException, RedisError

from scriptgen.domain.errors import StoreUnavailableError

FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)
"""Everything a client call may raise that is not our own mistake."""

_SETUP = (
    exceptions.AuthenticationError,
    exceptions.AuthorizationError,
    exceptions.NoPermissionError,
)
_SETUP_TEXTS = ("NOAUTH", "WRONGPASS", "WRONGTYPE", "NOPERM", "DB index")


def store_error(error: Exception) -> Exception:
    """The error to raise in place of `error`; its sentence names no host."""
    if isinstance(error, _SETUP) or str(error).startswith(_SETUP_TEXTS):
        return StoreUnavailableError("Redis refuses this service; its setup is wrong.")
    if isinstance(error, exceptions.ReadOnlyError):
        return StoreUnavailableError("Redis takes no writes at the moment.")
    if isinstance(error, exceptions.BusyLoadingError):
        return StoreUnavailableError("Redis is still loading its data.")
    if isinstance(error, exceptions.OutOfMemoryError):
        return StoreUnavailableError("Redis is out of memory.")
    if isinstance(error, (exceptions.TimeoutError, TimeoutError)):
        return StoreUnavailableError("Redis did not answer in time.")
    # The library cuts off the general code ERR; what the server cannot do now keeps a code of its own
    # (MISCONF, NOREPLICAS, BUSY).
    if type(error) is exceptions.ResponseError and not str(error).partition(" ")[0].isupper():
        return error
    return StoreUnavailableError("Redis cannot be reached.")
