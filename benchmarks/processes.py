"""Starts the processes a benchmark measures and reads what the kernel says they used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_START_SECONDS = 60.0


@dataclass(slots=True)
class Service:
    """A running server. `start_seconds` is from exec to the ready line."""

    process: subprocess.Popen[str]
    target: str
    start_seconds: float

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_megabytes(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1]) * _PAGE / 1e6


@contextmanager
def upstream(pace_ms: float = 0.0) -> Iterator[str]:
    """The OpenAI-compatible upstream of these benchmarks; yields its base URL."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.upstream", "--port", "0", "--pace-ms", str(pace_ms)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        _end(process)


@contextmanager
def service(**environment: str) -> Iterator[Service]:
    """A server on a free port with quotas and locks on but out of the way."""
    settings = {
        "APP_ENV": "development",
        "GRPC_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "LOG_LEVEL": "WARNING",
        "CORE_RATE_QPS_PER_TENANT": "100000",
        "CORE_RATE_TOKENS_PER_MIN": "1000000000",
        "CORE_RATE_CONCURRENT_PER_TENANT": "4096",
        "CORE_MAX_INFLIGHT": "4096",
        "DRAIN_DELAY_SECONDS": "0",
        "DRAIN_GRACE_SECONDS": "5",
        "LLM_POOL_SIZE": "2048",
        **environment,
    }
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    with _serving([sys.executable, "-m", "scriptgen", "serve"], kept | settings) as running:
        yield running


@contextmanager
def floor(url: str) -> Iterator[Service]:
    """The floor server of these benchmarks, in front of the upstream at `url`."""
    with _serving([sys.executable, "-m", "benchmarks.floor", url], dict(os.environ)) as running:
        yield running


@contextmanager
def _serving(command: list[str], environment: dict[str, str]) -> Iterator[Service]:
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if " serving " not in line:
            raise RuntimeError(f"the server did not start: {line!r}")
        target = line.split("grpc=", 1)[1].split()[0]
        yield Service(process, target, time.monotonic() - started)
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
