"""Several worker processes on one port (SO_REUSEPORT): starts them, restarts what dies, drains all together.

The parent serves no calls; it holds the port number, the metrics endpoint of all workers, and the signals.
Workers are started as new interpreters: a fork after gRPC has started hangs. A worker drains by itself when
its parent is gone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from typing import Final

from scriptgen.log import configure_logging
from scriptgen.metrics import MULTIPROCESS_VARIABLE, Metrics, MetricsServer, forget_worker
from scriptgen.process import run_worker
from scriptgen.settings import Settings, SettingsError, load_settings, split_listen

logger = logging.getLogger(__name__)

_FIRST_BACKOFF: Final = 0.5
_LAST_BACKOFF: Final = 30.0
#: A worker that lived this long died of something new: its backoff begins again.
_SETTLED_SECONDS: Final = 60.0
#: What a draining worker may take beyond its own grace before it is killed.
_KILL_RESERVE: Final = 10.0


def supervise(settings: Settings) -> int:
    """Run SERVER_WORKERS workers until SIGTERM or SIGINT; 0 when all of them drained, 1 when one had to be
    killed, 2 when none could start.
    """
    configure_logging(settings.log_level, settings.log_format, content=settings.log_content)
    with tempfile.TemporaryDirectory(prefix="scriptgen-metrics-") as directory:
        os.environ[MULTIPROCESS_VARIABLE] = directory
        try:
            return asyncio.run(_Supervisor(settings).run())
        finally:
            del os.environ[MULTIPROCESS_VARIABLE]


class _Supervisor:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()
        self._ready: set[int] = set()
        self._announced = False
        self._killed = False
        self._failed_start = False

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        host, port = split_listen(self._settings.grpc_listen)
        with _reserved_port(host, port) as reserved:
            listen = f"{_bracketed(host)}:{reserved.getsockname()[1]}"
            metrics = self._metrics_endpoint()
            try:
                keepers = [
                    asyncio.create_task(self._keep(listen, metrics), name=f"worker-{number}")
                    for number in range(self._settings.server_workers)
                ]
                await asyncio.gather(*keepers)
            finally:
                if metrics is not None:
                    await metrics.stop()
        if self._failed_start:
            return 2
        return 1 if self._killed else 0

    async def _keep(self, listen: str, metrics: MetricsServer | None) -> None:
        """One worker's place: always filled, with growing pauses when it keeps dying."""
        loop = asyncio.get_running_loop()
        backoff = _FIRST_BACKOFF
        while not self._stopping.is_set():
            started = loop.time()
            code = await self._run_worker(listen, metrics)
            if self._stopping.is_set():
                return
            if code == 2:  # the settings are wrong: no restart will mend that
                self._failed_start = True
                self._stopping.set()
                return
            if loop.time() - started > _SETTLED_SECONDS:
                backoff = _FIRST_BACKOFF
            logger.warning("worker ended with code %d; another one starts in %.1f s", code, backoff)
            try:
                await asyncio.wait_for(self._stopping.wait(), backoff)
            except TimeoutError:
                backoff = min(backoff * 2, _LAST_BACKOFF)

    async def _run_worker(self, listen: str, metrics: MetricsServer | None) -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "scriptgen.workers",
            env={**os.environ, "GRPC_LISTEN": listen, "METRICS_LISTEN": ""},
            stdin=asyncio.subprocess.PIPE,  # never written to: its end tells that this process is gone
            stdout=asyncio.subprocess.PIPE,
        )
        reader = asyncio.create_task(self._announce(process, metrics))
        stopping = asyncio.create_task(self._stopping.wait())
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait({stopping, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._drain(process, ended)
            return await ended
        finally:
            stopping.cancel()
            await reader
            self._ready.discard(process.pid)
            forget_worker(process.pid)

    async def _drain(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> None:
        settings = self._settings
        process.send_signal(signal.SIGTERM)
        bound = settings.drain_delay_seconds + settings.drain_grace_seconds + _KILL_RESERVE
        await asyncio.wait({ended}, timeout=bound)
        if not ended.done():
            logger.error("worker %d did not drain in %.0f s; killed", process.pid, bound)
            self._killed = True
            process.kill()

    async def _announce(self, process: asyncio.subprocess.Process, metrics: MetricsServer | None) -> None:
        """Say once that the service is up: when every worker is."""
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode().strip()
            if " serving " not in line:
                continue
            self._ready.add(process.pid)
            if len(self._ready) == self._settings.server_workers and not self._announced:
                self._announced = True
                if metrics is not None:
                    host = split_listen(self._settings.metrics_listen)[0]
                    line += f" metrics={_bracketed(host)}:{metrics.port}"
                print(f"{line} workers={self._settings.server_workers}", flush=True)  # noqa: T201

    def _metrics_endpoint(self) -> MetricsServer | None:
        listen = self._settings.metrics_listen
        if not listen:
            return None
        host, port = split_listen(listen)
        try:
            return MetricsServer.start(host, port, Metrics().rendered_registry())
        except OSError as error:
            raise SettingsError(f"METRICS_LISTEN: got {listen!r}, cannot listen there") from error


def _reserved_port(host: str, port: int) -> socket.socket:
    """Bound and never listening: it takes no connections, but keeps the number (also a chosen one) ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        reserved.bind((host, port))
    except OSError as error:
        reserved.close()
        raise SettingsError(f"GRPC_LISTEN: got '{host}:{port}', cannot listen there") from error
    return reserved


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _end_with_parent() -> None:
    """Drain when the parent's end of the pipe is closed, which the kernel does however it ended."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _worker_main() -> int:
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    try:
        run_worker(load_settings(), metrics=Metrics(), share_port=True)
    except SettingsError as error:
        print(f"scriptgen: {error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_worker_main())
