"""A Redis client from one URL: single server, TLS, unix socket, Sentinel or Cluster.

Not responsible for what is done with it. The client never repeats a command by itself: only who sends one
knows whether a second time does harm. Nor does it bound how long an answer takes: its `socket_timeout` goes
through `asyncio.wait_for`, which on Python 3.11 loses a cancel that arrives while a command is being sent, so
every caller puts a time bound around its calls, as `RedisBackend` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Redis, RedisCluster, Sentinel
from redis.asyncio.cluster import ClusterNode
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from .backend import Client
from .pipelining import PipeliningRedis

_TLS_OPTIONS: Final = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}


def connect(url: str, *, timeout: float = 0.5, max_connections: int = 176) -> Client:
    """A client that connects when it is first used. `timeout` in seconds bounds connecting and waiting for
    one of `max_connections` connections, which are more than its users ask for at once (32 each of lock and
    limiter, 48 each of stores and relay), so that nobody's wait for one looks like a slow server.

    redis://[user:password@]host:port/db          rediss:// the same with TLS
    unix:///path/to/socket?db=0
    redis+sentinel://[user:password@]host:port,host:port/service/db
    redis+cluster://[user:password@]host:port,host:port
    rediss+sentinel:// and rediss+cluster:// with TLS; TLS takes ?ssl_ca_certs=, ?ssl_certfile=, ?ssl_keyfile=

    Raises ValueError, without the password, when the URL is none of these.
    """
    options: dict[str, Any] = {
        "socket_timeout": None,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
    try:
        return _client(url, options, timeout, max_connections)
    except ValueError as error:
        raise ValueError(f"not a usable Redis URL: {error}") from None


def _client(url: str, options: dict[str, Any], timeout: float, max_connections: int) -> Client:
    parts = urlsplit(url)
    if parts.scheme in {"redis", "rediss", "unix"}:
        pool = BlockingConnectionPool.from_url(
            url, timeout=timeout, max_connections=max_connections, **options
        )
        return PipeliningRedis.from_pool(pool)
    scheme, _, kind = parts.scheme.partition("+")
    if scheme not in {"redis", "rediss"} or kind not in {"sentinel", "cluster"}:
        raise ValueError(f"unknown scheme {parts.scheme!r}")
    options |= _credentials(parts) | _tls(parts, scheme)
    nodes = list(_nodes(parts))
    if kind == "sentinel":
        return _sentinel(parts, nodes, options, max_connections)
    return _cluster(nodes, options, max_connections)


class _OfSentinel(PipeliningRedis):
    """Closes its connections to the sentinels too, which the library leaves open."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        pool: Any = self.connection_pool
        for sentinel in pool.sentinel_manager.sentinels:
            await sentinel.aclose()


def _sentinel(
    parts: SplitResult, nodes: list[tuple[str, int]], options: dict[str, Any], max_connections: int
) -> Redis:
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise ValueError("the path must name the Sentinel service, as in /mymaster/0")
    # Sentinels have credentials of their own or, mostly, none.
    plain = {name: value for name, value in options.items() if name not in {"username", "password"}}
    sentinel = Sentinel(nodes, sentinel_kwargs=plain, **options)  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(
        service, redis_class=_OfSentinel, db=int(db or 0), max_connections=max_connections
    )
    return client


def _cluster(nodes: list[tuple[str, int]], options: dict[str, Any], max_connections: int) -> RedisCluster:
    return RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        max_connections=max_connections,
        **options,
    )


def _credentials(parts: SplitResult) -> dict[str, str]:
    userinfo, at, _ = parts.netloc.rpartition("@")
    if not at:
        return {}
    username, _, password = userinfo.partition(":")
    found = {"username": unquote(username), "password": unquote(password)}
    return {name: value for name, value in found.items() if value}


def _tls(parts: SplitResult, scheme: str) -> dict[str, Any]:
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := set(given) - _TLS_OPTIONS:
        raise ValueError(f"unknown option {min(unknown)!r}")
    return {"ssl": True, **given} if scheme == "rediss" else {}


def _nodes(parts: SplitResult) -> Iterable[tuple[str, int]]:
    hosts = parts.netloc.rpartition("@")[2]
    for each in hosts.split(","):
        host, colon, port = each.rpartition(":")
        if not (colon and host and port.isdigit()):
            raise ValueError(f"{each!r} is not host:port")
        yield host.strip("[]"), int(port)
