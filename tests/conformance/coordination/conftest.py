from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.valkey import ValkeyServer, valkey_server


@pytest.fixture(scope="package")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One real server for this folder."""
    with valkey_server(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture(scope="package")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server in cluster mode: it refuses a script whose keys lie in different slots."""
    with valkey_server(tmp_path_factory.mktemp("cluster"), cluster=True) as running:
        yield running


@pytest.fixture
def server(_server: ValkeyServer) -> ValkeyServer:
    _server.command("FLUSHALL")
    return _server


@pytest.fixture
def cluster(_cluster: ValkeyServer) -> ValkeyServer:
    _cluster.command("FLUSHALL")
    return _cluster
