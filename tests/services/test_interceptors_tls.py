"""TLS and client certificates over real handshakes, and certificates that change while the server runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from scriptgen.rpc.tls import server_credentials
from tests.certificates import Authority, Pair


def write_pair(folder: Path, pair: Pair) -> tuple[str, str]:
    (folder / "cert.pem").write_bytes(pair[0])
    (folder / "key.pem").write_bytes(pair[1])
    return str(folder / "cert.pem"), str(folder / "key.pem")


@asynccontextmanager
async def serving(credentials: grpc.ServerCredentials) -> AsyncIterator[int]:
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def answered(port: int, trusted: bytes, own: Pair | None = None) -> bool:
    """Whether a new connection that trusts `trusted` gets an answer."""
    certificate, key = own or (None, None)
    credentials = grpc.ssl_channel_credentials(trusted, key, certificate)
    # A channel of its own connection: gRPC would share one between equal channels.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options=options) as channel:
        try:
            await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True


async def test_a_client_that_trusts_the_authority_is_served(tmp_path: Path) -> None:
    ours, other = Authority("ours"), Authority("other")
    cert, key = write_pair(tmp_path, ours.issue())
    async with serving(server_credentials(cert, key)) as port:
        assert await answered(port, ours.pem)
        assert not await answered(port, other.pem)


async def test_a_client_without_a_certificate_of_the_authority_is_not_served(tmp_path: Path) -> None:
    ours, other = Authority("ours"), Authority("other")
    cert, key = write_pair(tmp_path, ours.issue())
    (tmp_path / "ca.pem").write_bytes(ours.pem)
    async with serving(server_credentials(cert, key, str(tmp_path / "ca.pem"))) as port:
        assert await answered(port, ours.pem, own=ours.issue())
        assert not await answered(port, ours.pem)
        assert not await answered(port, ours.pem, own=other.issue())


async def test_a_new_certificate_is_used_without_a_restart_and_a_broken_one_is_not(tmp_path: Path) -> None:
    first, second = Authority("first"), Authority("second")
    cert, key = write_pair(tmp_path, first.issue())
    async with serving(server_credentials(cert, key, check_seconds=0)) as port:
        assert await answered(port, first.pem)
        write_pair(tmp_path, (second.issue()[0], first.issue()[1]))
        assert await answered(port, first.pem), "certificate and key do not fit: the last good pair stays"
        write_pair(tmp_path, second.issue())
        assert await answered(port, second.pem)
        assert not await answered(port, first.pem)


def test_a_pair_that_does_not_fit_stops_the_start(tmp_path: Path) -> None:
    authority = Authority("ours")
    cert, _ = write_pair(tmp_path, authority.issue())
    (tmp_path / "key.pem").write_bytes(authority.issue()[1])
    with pytest.raises(OSError):
        server_credentials(cert, str(tmp_path / "key.pem"))
