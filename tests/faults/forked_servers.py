"""Servers to be killed, quick to start: one process imports the service, each server is a fork of it.

What a fork runs is `scriptgen serve` from reading its environment on; only the seconds of importing are saved.
Run as a module it is that first process: a line of settings as JSON in, a process id out, then the server's
own ready line.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.process import environment

_START_SECONDS = 60.0
_DIE_SECONDS = 10.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class ForkedServer:
    """A running server; `grpc` is its address."""

    pid: int
    grpc: str

    @property
    def alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def gone(self) -> bool:
        """Whether the process ends within a few seconds."""
        until = time.monotonic() + _DIE_SECONDS
        while self.alive and time.monotonic() < until:
            time.sleep(0.005)
        return not self.alive


@dataclass(slots=True)
class Forge:
    """Starts servers; `close` kills those that are left."""

    process: subprocess.Popen[bytes]
    started: list[ForkedServer] = field(default_factory=list)

    def start(self, **settings: str) -> ForkedServer:
        """Returns once the server is ready."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(environment(**settings)).encode() + b"\n")
        pid = int(self._line())
        while " serving " not in (line := self._line()):
            pass
        address = next(part for part in line.split() if part.startswith("grpc="))
        server = ForkedServer(pid, address.removeprefix("grpc="))
        self.started.append(server)
        return server

    def close(self) -> None:
        for server in self.started:
            server.kill()
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def _line(self) -> str:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], _START_SECONDS)
        line = self.process.stdout.readline() if ready else b""
        if not line:
            raise AssertionError("a server did not start")
        return line.decode()


@contextlib.contextmanager
def forge() -> Iterator[Forge]:
    process = subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=_ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # what one read took too many, select would not see
    )
    built = Forge(process)
    try:
        yield built
    finally:
        built.close()


def _serve_forks() -> None:
    """The first process: threads and gRPC's core exist only in the forks."""
    for module in ("process", "stores.sqlite", "stores.redis", "workflow.langgraph_runner"):
        importlib.import_module(f"scriptgen.{module}")
    from scriptgen.cli.serving import serve

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are reaped at once, so their pids vanish
    for line in iter(sys.stdin.readline, ""):
        settings = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.environ.clear()
            os.environ.update(settings)
            os._exit(serve())
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve_forks()
