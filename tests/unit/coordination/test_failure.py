"""Which errors of the Redis client degrade, and which ask for a repair."""

from __future__ import annotations

import pytest
from redis import exceptions as redis_errors

from scriptgen.coordination.failure import is_outage, may_have_applied


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.ConnectionError("Connection refused"),
        redis_errors.TimeoutError("Timeout reading"),
        redis_errors.BusyLoadingError("Redis is loading the dataset in memory"),
        redis_errors.ReadOnlyError("You can't write against a read only replica."),
        redis_errors.ClusterDownError("The cluster is down"),
        redis_errors.RedisClusterException("Redis Cluster cannot be connected"),
        redis_errors.ResponseError("MASTERDOWN Link with MASTER is down"),
        redis_errors.ResponseError("BUSY Redis is busy running a script."),
        ConnectionResetError(),
        TimeoutError(),
    ],
)
def test_what_may_pass_by_itself_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        redis_errors.AuthenticationError("Authentication required."),
        redis_errors.AuthorizationError("no"),
        redis_errors.NoPermissionError("this user has no permissions to run the 'evalsha' command"),
        redis_errors.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        redis_errors.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        redis_errors.ResponseError("ERR unknown command"),
    ],
)
def test_what_somebody_must_repair_is_not(error: Exception) -> None:
    assert not is_outage(error)


def test_only_a_lost_reply_leaves_doubt_about_what_was_applied() -> None:
    assert may_have_applied(redis_errors.TimeoutError("read"))
    assert may_have_applied(TimeoutError())
    assert may_have_applied(redis_errors.ConnectionError("closed by server"))
    assert not may_have_applied(redis_errors.ReadOnlyError("replica"))
    assert not may_have_applied(redis_errors.BusyLoadingError("loading"))
