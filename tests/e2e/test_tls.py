"""TLS and client certificates of a server process, with certificates that change while it runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from scriptgen.rpc.auth.key_file import KeyFile
from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc
from tests.certificates import Authority, Pair

from .process import environment, serving


@dataclass(slots=True)
class Files:
    """The PEM files of a deployment and the environment variables that name them."""

    folder: Path

    def write(self, pair: Pair, authority: bytes = b"") -> dict[str, str]:
        """Each file is replaced in one step, as a certificate manager does it."""
        named = {"TLS_CERT_FILE": ("cert.pem", pair[0]), "TLS_KEY_FILE": ("key.pem", pair[1])}
        if authority:
            named["TLS_CLIENT_CA_FILE"] = ("clients.pem", authority)
        for file, data in named.values():
            draft = self.folder / f".{file}"
            draft.write_bytes(data)
            draft.replace(self.folder / file)
        return {variable: str(self.folder / file) for variable, (file, _) in named.items()}


def production(folder: Path) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    """Settings beyond loopback with a key, and the key as metadata."""
    file = folder / "keys.json"
    key, _ = KeyFile(file).create(tenant="acme")
    return {"APP_ENV": "production", "API_KEYS_FILE": str(file), "GRPC_LISTEN": "0.0.0.0:0"}, (
        ("x-api-key", key),
    )


def channel(address: str, authority: bytes, own: Pair | None = None) -> grpc.Channel:
    """A connection of its own: gRPC would share one between equal channels."""
    certificate, key = own or (None, None)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    port = address.rsplit(":", 1)[1]
    return grpc.secure_channel(
        f"localhost:{port}", credentials, options=[("grpc.use_local_subchannel_pool", 1)]
    )


def answers(address: str, authority: bytes, own: Pair | None = None) -> bool:
    with channel(address, authority, own) as opened:
        try:
            health_pb2_grpc.HealthStub(opened).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError as error:
            refused: grpc.Call = error  # type: ignore[assignment]
            assert refused.code() is grpc.StatusCode.UNAVAILABLE
            return False
        return True


def test_a_script_is_streamed_over_tls_and_nobody_else_can_listen_in(tmp_path: Path) -> None:
    ours, theirs = Authority("ours"), Authority("theirs")
    settings, key = production(tmp_path)
    with serving(**settings, **Files(tmp_path).write(ours.issue())) as server:
        with channel(server.grpc, ours.pem) as opened:
            session = (
                session_pb2_grpc.SessionServiceStub(opened)
                .CreateSession(session_pb2.CreateSessionRequest(category="美妆"), metadata=key, timeout=10)
                .session.session_id
            )
            request = generate_pb2.GenerateStreamRequest(session_id=session, query="给口红写一段开场话术")
            stub = generate_pb2_grpc.GenerateServiceStub(opened)
            events = list(stub.GenerateStream(request, metadata=key, timeout=20))
            assert events[-1].result.scripts
        assert not answers(server.grpc, theirs.pem), "a client that trusts another authority"
        port = server.grpc.rsplit(":", 1)[1]
        with grpc.insecure_channel(f"localhost:{port}") as plain, pytest.raises(grpc.RpcError):
            health_pb2_grpc.HealthStub(plain).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert server.terminate() == 0


def test_only_clients_with_a_certificate_of_the_authority_get_in(tmp_path: Path) -> None:
    ours, clients, theirs = Authority("ours"), Authority("clients"), Authority("theirs")
    settings, _ = production(tmp_path)
    files = Files(tmp_path).write(ours.issue(), clients.pem)
    with serving(**settings, **files) as server:
        assert answers(server.grpc, ours.pem, clients.issue("backend"))
        assert not answers(server.grpc, ours.pem)
        assert not answers(server.grpc, ours.pem, theirs.issue("backend"))
        assert not answers(server.grpc, ours.pem, ours.issue("backend")), (
            "the server's authority is not theirs"
        )
        assert not answers(server.grpc, ours.pem, clients.issue("backend", days=-1)), "expired"


def test_the_command_line_speaks_tls_with_a_certificate_of_its_own(tmp_path: Path) -> None:
    ours, clients = Authority("ours"), Authority("clients")
    settings, key = production(tmp_path)
    files = Files(tmp_path).write(ours.issue(), clients.pem)
    certificate, private = clients.issue("operator")
    for name, data in (("ca.pem", ours.pem), ("own.pem", certificate), ("own.key", private)):
        (tmp_path / name).write_bytes(data)
    with serving(**settings, **files) as server:
        port = server.grpc.rsplit(":", 1)[1]
        command = ["status", "--target", f"localhost:{port}", "--ca", str(tmp_path / "ca.pem")]
        own = ["--cert", str(tmp_path / "own.pem"), "--key", str(tmp_path / "own.key")]
        ended = _scriptgen(*command, *own, "--api-key", key[0][1])
        assert ended.returncode == 0, ended.stderr
        assert "session_store" in ended.stdout
        without = _scriptgen(*command, "--api-key", key[0][1], "--timeout", "5")
        assert without.returncode == 1
        assert "UNAVAILABLE" in without.stderr or "DEADLINE_EXCEEDED" in without.stderr


def test_a_renewed_certificate_is_served_without_a_restart_and_a_broken_one_is_passed_over(
    tmp_path: Path,
) -> None:
    old, new = Authority("old"), Authority("new")
    files = Files(tmp_path)
    settings = {"GRPC_LISTEN": "127.0.0.1:0"}
    with serving(**settings, **files.write(old.issue())) as server:
        assert answers(server.grpc, old.pem)
        with channel(server.grpc, old.pem) as kept:
            health = health_pb2_grpc.HealthStub(kept)
            health.Check(health_pb2.HealthCheckRequest(), timeout=5)

            files.write(new.issue())
            _until_answers(server.grpc, new.pem)
            assert not answers(server.grpc, old.pem)
            health.Check(health_pb2.HealthCheckRequest(), timeout=5)  # open connections stay

        # A half-done renewal: the key is not the certificate's. Each goes on with the last good pair.
        files.write((new.issue()[0], new.issue()[1]))
        _past_a_check()
        assert answers(server.grpc, new.pem)
        files.write((b"nonsense", b"nonsense"))
        _past_a_check()
        assert answers(server.grpc, new.pem)
        files.write(new.issue(password=b"nobody types it"))
        _past_a_check()
        assert answers(server.grpc, new.pem)

        files.write(old.issue())
        _until_answers(server.grpc, old.pem)
        assert server.terminate() == 0


def test_a_revoked_authority_of_clients_is_dropped_without_a_restart(tmp_path: Path) -> None:
    ours, clients, successors = Authority("ours"), Authority("clients"), Authority("successors")
    files, pair = Files(tmp_path), ours.issue()
    with serving(GRPC_LISTEN="127.0.0.1:0", **files.write(pair, clients.pem)) as server:
        assert answers(server.grpc, ours.pem, clients.issue("backend"))
        files.write(pair, successors.pem)
        _until_answers(server.grpc, ours.pem, successors.issue("backend"))
        assert not answers(server.grpc, ours.pem, clients.issue("backend"))
        files.write(pair, b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
        _past_a_check()
        assert answers(server.grpc, ours.pem, successors.issue("backend")), "the last good authorities stay"


def _until_answers(address: str, authority: bytes, own: Pair | None = None) -> None:
    until = time.monotonic() + 10
    while not answers(address, authority, own):
        assert time.monotonic() < until, "the new files were not read"


def _past_a_check() -> None:
    """Files are looked at once a second, when a connection comes; no answer tells that nothing was taken."""
    time.sleep(1.1)


@pytest.mark.parametrize("broken", ["mismatch", "nonsense", "locked", "authority", "missing"])
def test_files_that_cannot_be_used_stop_the_start_with_one_line(tmp_path: Path, broken: str) -> None:
    ours = Authority("ours")
    pair, clients = ours.issue(), ours.pem
    match broken:
        case "mismatch":
            pair = (pair[0], ours.issue()[1])
        case "nonsense":
            pair = (b"nonsense", pair[1])
        case "locked":
            pair = ours.issue(password=b"nobody types it")
        case "authority":
            clients = b"nonsense"
    settings = Files(tmp_path).write(pair, clients)
    if broken == "missing":
        Path(settings["TLS_KEY_FILE"]).unlink()
    ended = _scriptgen("serve", **settings)
    assert ended.returncode == 2, ended.stderr
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    assert "TLS_" in lines[0]


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_production_does_not_leave_loopback_in_plaintext_unless_told_so(tmp_path: Path, listen: str) -> None:
    settings, _ = production(tmp_path)
    ended = _scriptgen("serve", **{**settings, "GRPC_LISTEN": listen})
    assert ended.returncode == 2
    assert "GRPC_LISTEN" in ended.stderr
    assert "TLS" in ended.stderr
    with serving(**{**settings, "GRPC_LISTEN": "0.0.0.0:0", "TLS_ALLOW_PLAINTEXT": "true"}) as server:
        assert server.terminate() == 0


def _scriptgen(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """With a terminal-less standard input: a question for a password must fail, not wait."""
    return subprocess.run(
        [sys.executable, "-m", "scriptgen", *arguments],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=os.fspath(Path.cwd()),
    )
