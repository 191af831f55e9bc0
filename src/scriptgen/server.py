"""One server process: the port, its limits, health and metrics, and the way it starts and drains.

Not responsible for what is served (`app`, `edge`) nor for several processes (`workers`).
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from scriptgen.app import App
from scriptgen.collector import building
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.edge import interceptors
from scriptgen.metrics import Metrics, MetricsServer
from scriptgen.rpc.services.checkpoint import CheckpointService
from scriptgen.rpc.services.generate import GenerateService
from scriptgen.rpc.services.session import SessionService
from scriptgen.rpc.services.status import StatusService
from scriptgen.rpc.tls import server_credentials
from scriptgen.settings import Settings, SettingsError, split_listen
from scriptgen.v1 import (
    checkpoint_pb2,
    checkpoint_pb2_grpc,
    generate_pb2,
    generate_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)

logger = logging.getLogger(__name__)

SERVICE_NAMES: Final = tuple(
    module.DESCRIPTOR.services_by_name[name].full_name
    for module, name in (
        (session_pb2, "SessionService"),
        (generate_pb2, "GenerateService"),
        (checkpoint_pb2, "CheckpointService"),
        (status_pb2, "StatusService"),
    )
)
#: Health names of single components and the component names they stand for.
COMPONENT_NAMES: Final = {
    "scriptgen.session_lock": "session_lock",
    "scriptgen.rate_limiter": "rate_limiter",
    "scriptgen.checkpoint_store": "checkpoint_store",
    "scriptgen.session_store": "session_store",
    "scriptgen.llm": "llm.primary",
}
#: Without these nothing can be served: readiness follows them.
_ESSENTIAL: Final = frozenset({"session_store", "checkpoint_store", "session_lock", "rate_limiter"})
_HEALTH_SECONDS: Final = 1.0

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def channel_options(settings: Settings, *, share_port: bool) -> list[tuple[str, Any]]:
    """GRPC's own limits. Names are checked by a test: gRPC ignores a wrong one without a word."""
    return [
        ("grpc.so_reuseport", int(share_port)),
        ("grpc.max_receive_message_length", settings.grpc_max_receive_bytes),
        ("grpc.max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", settings.grpc_max_metadata_bytes),
        ("grpc.max_concurrent_streams", settings.grpc_max_concurrent_streams),
        ("grpc.max_connection_idle_ms", _milliseconds(settings.grpc_max_connection_idle_seconds)),
        ("grpc.max_connection_age_ms", _milliseconds(settings.grpc_max_connection_age_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(settings.grpc_max_connection_age_grace_seconds)),
        ("grpc.keepalive_time_ms", _milliseconds(settings.grpc_keepalive_seconds)),
        # The first alone does not end a connection before the second has passed, a minute by default.
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.grpc_keepalive_timeout_seconds)),
        ("grpc.keepalive_permit_without_calls", 1),
        (
            "grpc.http2.min_ping_interval_without_data_ms",
            _milliseconds(settings.grpc_min_ping_interval_seconds),
        ),
    ]


class Server:
    """`start`, then `wait`; `stop` drains. `port` and `metrics_port` are the real ones after `start`."""

    def __init__(
        self, settings: Settings, *, metrics: Metrics | None = None, share_port: bool = False
    ) -> None:
        """`metrics` given: somebody else shows them, no endpoint is opened here."""
        self._settings = settings
        self._own_endpoint = metrics is None
        self._metrics = metrics or Metrics()
        self._share_port = share_port
        self._app: App | None = None
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self._watch: asyncio.Task[None] | None = None
        self._metrics_server: MetricsServer | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.port = 0
        self.metrics_port = 0

    @property
    def app(self) -> App:
        assert self._app is not None, "start() first"
        return self._app

    async def start(self) -> None:
        """Raises `SettingsError` when a configured file, port or store cannot be used; then nothing is left
        open.
        """
        app = self._app = await App.build(self._settings, self._metrics.observer)
        try:
            await self._open(app)
        except BaseException:
            if self._server is not None:
                await self._server.stop(None)
            if self._metrics_server is not None:
                await self._metrics_server.stop()
            await app.close(0.0)
            raise
        self._watch = asyncio.create_task(self._watch_health(), name="health-watch")

    async def wait(self) -> None:
        """Until the server has stopped."""
        assert self._server is not None, "start() first"
        await self._server.wait_for_termination()
        if self._stopping is not None:
            await asyncio.shield(self._stopping)

    async def stop(self) -> None:
        """Drain and close; a second call waits for the first."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name="drain")
        await asyncio.shield(self._stopping)

    async def _open(self, app: App) -> None:
        """Both ports are bound before the first call can come."""
        settings = self._settings
        server = self._server = grpc.aio.server(
            interceptors=[interceptors(app, self._metrics.rpc)],
            options=channel_options(settings, share_port=self._share_port),
        )
        self._add_services(server, app)
        for name in ("", *SERVICE_NAMES, *COMPONENT_NAMES):
            await self._health.set(name, _NOT_SERVING)
        self.port = self._bind(server)
        if self._own_endpoint and settings.metrics_listen:
            self._metrics_server = _metrics_endpoint(settings, self._metrics)
            self.metrics_port = self._metrics_server.port
        await app.start()
        await server.start()
        await self._report(await app.components())

    async def _stop(self) -> None:
        """Health first, so that balancers turn away; then a moment for them to notice; then the port; then
        what still runs, inside the grace; then what it ran on.
        """
        app, server, settings = self.app, self._server, self._settings
        assert server is not None
        logger.info("draining: %d generations running", app.orchestrator.running)
        if self._watch is not None:
            self._watch.cancel()
        await self._health.enter_graceful_shutdown()
        app.admission.begin_drain()
        await asyncio.sleep(settings.drain_delay_seconds)
        await server.stop(settings.drain_grace_seconds)
        await app.close(0.0)
        if self._metrics_server is not None:
            await self._metrics_server.stop()
        logger.info("stopped")

    def _add_services(self, server: grpc.aio.Server, app: App) -> None:
        session_pb2_grpc.add_SessionServiceServicer_to_server(SessionService(app.sessions), server)
        generate_pb2_grpc.add_GenerateServiceServicer_to_server(
            GenerateService(app.orchestrator, app.desk), server
        )
        checkpoint_pb2_grpc.add_CheckpointServiceServicer_to_server(CheckpointService(app.sessions), server)
        status = StatusService(
            version=app.version, engine=app.orchestrator.engine_name, components=app.components
        )
        status_pb2_grpc.add_StatusServiceServicer_to_server(status, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.reflection:
            names = (*SERVICE_NAMES, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)

    def _bind(self, server: grpc.aio.Server) -> int:
        settings = self._settings
        credentials = _credentials(settings)
        try:
            if credentials is not None:
                return server.add_secure_port(settings.grpc_listen, credentials)
            return server.add_insecure_port(settings.grpc_listen)
        except (OSError, ValueError, RuntimeError) as error:
            raise SettingsError(f"GRPC_LISTEN: got {settings.grpc_listen!r}, cannot listen there") from error

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(_HEALTH_SECONDS)
            await self._report(await self.app.components())

    async def _report(self, components: list[ComponentStatus]) -> None:
        states: Mapping[str, ComponentState] = {part.name: part.state for part in components}
        down = any(states.get(name) is ComponentState.DOWN for name in _ESSENTIAL)
        for name in ("", *SERVICE_NAMES):
            await self._health.set(name, _NOT_SERVING if down else _SERVING)
        for name, component in COMPONENT_NAMES.items():
            ok = states.get(component, ComponentState.OK) is ComponentState.OK
            await self._health.set(name, _SERVING if ok else _NOT_SERVING)


async def serve(settings: Settings, *, metrics: Metrics | None = None, share_port: bool = False) -> None:
    """Run until SIGTERM or SIGINT, then drain. Prints one line with the real addresses once it serves."""
    for line in settings.warnings():
        logger.warning("%s", line)
    with building():
        server = Server(settings, metrics=metrics, share_port=share_port)
        await server.start()
    loop = asyncio.get_running_loop()
    draining: list[asyncio.Task[None]] = []

    def drain() -> None:
        if not draining:
            draining.append(loop.create_task(server.stop(), name="signal-drain"))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, drain)
    print(ready_line(settings, server), flush=True)  # noqa: T201  - what starts us reads it
    await server.wait()
    for task in draining:
        await task


def ready_line(settings: Settings, server: Server) -> str:
    """`scriptgen VERSION serving grpc=ADDRESS [metrics=ADDRESS]`, with the ports really bound."""
    host, port = split_listen(settings.grpc_listen)
    address = host if port == -1 else f"{_bracketed(host)}:{server.port}"
    line = f"scriptgen {server.app.version} serving grpc={address}"
    if server.metrics_port:
        line += f" metrics={_bracketed(split_listen(settings.metrics_listen)[0])}:{server.metrics_port}"
    return line


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if not settings.tls_cert_file:
        return None
    try:
        return server_credentials(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"TLS_CERT_FILE, TLS_KEY_FILE or TLS_CLIENT_CA_FILE: {error}") from error


def _metrics_endpoint(settings: Settings, metrics: Metrics) -> MetricsServer:
    host, port = split_listen(settings.metrics_listen)
    try:
        return MetricsServer.start(host, port, metrics.rendered_registry())
    except OSError as error:
        raise SettingsError(
            f"METRICS_LISTEN: got {settings.metrics_listen!r}, cannot listen there: {error.strerror}"
        ) from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _milliseconds(seconds: float) -> int:
    """GRPC takes INT_MAX for "never", which is what 0 means in our settings."""
    return int(seconds * 1000) if seconds else 2**31 - 1
