"""What an error of the Redis client means: an outage to survive, or a configuration to repair.

Contention is never an error here: the scripts answer it.
"""

from __future__ import annotations

from redis import exceptions as redis_errors

# Everything the client raises for a call that reached, or tried to reach, the server.
# KeyError: how the cluster client says that it knows no node for a key's slot.
CLIENT_ERRORS = (
    redis_errors.RedisError,
    redis_errors.RedisClusterException,
    OSError,
    TimeoutError,
    KeyError,
)

_CONFIGURATION = (redis_errors.AuthenticationError, redis_errors.AuthorizationError)
_OUTAGE = (
    redis_errors.ConnectionError,  # also LOADING
    redis_errors.TimeoutError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
    redis_errors.TryAgainError,
    redis_errors.RedisClusterException,  # no node answers, slot not covered
    OSError,
    TimeoutError,
    KeyError,
)
# Answers of a server that is there but cannot serve for now; the client has no classes for them.
_OUTAGE_PREFIXES = ("BUSY ", "MASTERDOWN ")


class RedisOutageError(Exception):
    """Redis cannot be reached or cannot serve now. `doubtful`: the command may have been applied."""

    def __init__(self, message: str, *, doubtful: bool) -> None:
        super().__init__(message)
        self.doubtful = doubtful


class RedisBusyError(RedisOutageError):
    """This process has more to ask than gets through. Nothing was sent, and Redis is not to blame."""

    def __init__(self) -> None:
        super().__init__("too many calls wait for Redis", doubtful=False)


class RedisConfigurationError(Exception):
    """Redis answers but refuses: wrong credentials, wrong type, no permission. Waiting does not help."""


def is_outage(error: Exception) -> bool:
    """True for what may pass by itself; False for what somebody must repair."""
    if isinstance(error, _CONFIGURATION):
        return False
    return isinstance(error, _OUTAGE) or str(error).startswith(_OUTAGE_PREFIXES)


def may_have_applied(error: Exception) -> bool:
    """Whether the server may have run the command, or may yet run it, although no reply came."""
    lost = isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError)
    return lost and not isinstance(error, redis_errors.BusyLoadingError)
