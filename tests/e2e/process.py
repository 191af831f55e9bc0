"""A server in a process of its own, started as an operator starts it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


@dataclass(slots=True)
class ServerProcess:
    process: subprocess.Popen[str]
    grpc: str
    metrics: str

    def terminate(self) -> int:
        """SIGTERM, then the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_STOP_SECONDS)


def environment(**settings: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "PYTHONPATH"}
    }
    return {
        **kept,
        "GRPC_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "WARNING",
        "DRAIN_DELAY_SECONDS": "0.2",
        "DRAIN_GRACE_SECONDS": "20",
        **settings,
    }


@contextlib.contextmanager
def serving(**settings: str) -> Iterator[ServerProcess]:
    """Yields once the ready line is printed; kills what the test left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scriptgen", "serve"],
        env=environment(**settings),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        addresses = _ready(process)
        yield ServerProcess(process, addresses["grpc"], addresses.get("metrics", ""))
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _ready(process: subprocess.Popen[str]) -> dict[str, str]:
    assert process.stdout is not None
    until = time.monotonic() + _START_SECONDS
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        line = process.stdout.readline() if ready else ""
        if " serving " in line:
            return dict(part.split("=", 1) for part in line.split() if "=" in part)
        if ready and not line:
            break
    raise AssertionError(f"the server did not start (exit code {process.poll()})")
