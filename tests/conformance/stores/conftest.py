"""Runs every spec of this folder against every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from scriptgen.stores.retention import Retention
from tests.valkey import ValkeyServer, valkey_server

from .backends import Backend, Factory, memory, redis, sqlite


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def valkey_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path_factory.mktemp("valkey-cluster"), cluster=True) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "redis", "redis-cluster"])
def factory(request: pytest.FixtureRequest, tmp_path: Path) -> Factory:
    """Opens an empty backend with the retention that a spec asks for."""
    name: str = request.param
    if name == "memory":
        return memory
    if name == "sqlite":
        return sqlite(tmp_path)
    server: ValkeyServer = request.getfixturevalue("valkey" if name == "redis" else "valkey_cluster")
    return redis(name, server.url)


@pytest.fixture
async def backend(factory: Factory) -> AsyncIterator[Backend]:
    """An empty backend that keeps everything."""
    async with factory(Retention(max_turns=100_000, max_checkpoints=100_000)) as opened:
        yield opened
