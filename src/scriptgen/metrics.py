"""Every metric of the service by name, and the observers that fill them. Nothing else names a metric.

No label carries a tenant, user or session. With several workers each process writes its numbers into files of
PROMETHEUS_MULTIPROC_DIR (set by the parent before the workers import this module) and any of them, or the
parent, renders the sum.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any, Generic, TypeVar
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from scriptgen.domain.observer import Observer

__all__ = ["CONTENT_TYPE_LATEST", "Metrics", "MetricsServer", "PrometheusObserver", "RpcMetrics"]

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
#: Seconds. From a cheap unary call to the longest generation.
RPC_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SHORT_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
RATIO_BUCKETS = (0.25, 0.5, 0.75, 0.9, 1, 1.1, 1.25, 1.5, 2, 3, 5)
CHARACTER_BUCKETS = (0, 1, 2, 4, 8, 16, 32, 64)
#: Values of scriptgen_llm_breaker_state.
BREAKER_STATES = {"closed": 0, "half_open": 1, "open": 2}

M = TypeVar("M", Counter, Gauge, Histogram)


class _Children(Generic[M]):
    """A labelled metric whose children are looked up once per combination; prometheus_client's own `labels`
    takes a lock and re-checks every value on every call.
    """

    __slots__ = ("_known", "_metric")

    def __init__(self, metric: M) -> None:
        self._metric: M = metric
        self._known: dict[tuple[str, ...], M] = {}

    def __call__(self, *values: str) -> M:
        child = self._known.get(values)
        if child is None:
            child = self._known[values] = self._metric.labels(*values)
        return child


class Metrics:
    """The registry of one process with both sets of metrics. Build it once per process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.observer = PrometheusObserver(self.registry)
        self.rpc = RpcMetrics(self.registry)

    def rendered_registry(self) -> CollectorRegistry:
        """What is to be shown: this process's numbers, or all workers' when they share a directory."""
        directory = os.environ.get(MULTIPROCESS_VARIABLE)
        if not directory:
            return self.registry
        shared = CollectorRegistry()
        MultiProcessCollector(shared, path=directory)  # type: ignore[no-untyped-call]
        return shared

    def render(self) -> bytes:
        """Prometheus text, as served at /metrics (CONTENT_TYPE_LATEST)."""
        return generate_latest(self.rendered_registry())


def forget_worker(process_id: int) -> None:
    """Take a dead worker's gauges out of the sum; its counters stay. Called by the parent of the workers."""
    if os.environ.get(MULTIPROCESS_VARIABLE):
        mark_process_dead(process_id)  # type: ignore[no-untyped-call]


class RpcMetrics:
    """The usual gRPC server metrics (names and labels of go-grpc-prometheus)."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("grpc_type", "grpc_service", "grpc_method")
        coded = (*labels, "grpc_code")
        self._started = _Children(
            Counter("grpc_server_started_total", "RPCs begun.", labels, registry=registry)
        )
        self._handled = _Children(
            Counter("grpc_server_handled_total", "RPCs ended.", coded, registry=registry)
        )
        self._seconds = _Children(
            Histogram(
                "grpc_server_handling_seconds",
                "Time from begin to end of an RPC.",
                labels,
                registry=registry,
                buckets=RPC_BUCKETS,
            )
        )
        self._sent = _Children(
            Counter("grpc_server_msg_sent_total", "Messages sent on streams.", labels, registry=registry)
        )
        self._labels: dict[str, tuple[str, str, str]] = {}

    def started(self, method: str, kind: str) -> None:
        """`kind` is `unary`, `client_stream`, `server_stream` or `bidi_stream`."""
        self._started(*self._of(method, kind)).inc()

    def handled(self, method: str, kind: str, code: str, seconds: float, messages_sent: int) -> None:
        labels = self._of(method, kind)
        self._handled(*labels, code).inc()
        self._seconds(*labels).observe(seconds)
        if messages_sent:
            self._sent(*labels).inc(messages_sent)

    def _of(self, method: str, kind: str) -> tuple[str, str, str]:
        labels = self._labels.get(method)
        if labels is None:
            service, _, name = method.removeprefix("/").partition("/")
            labels = self._labels[method] = (kind, service, name)
        return labels


class PrometheusObserver(Observer):
    """What the rooms report, as the metrics of architecture.md."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(name, text, labels, registry=registry, buckets=buckets)

        def gauge(name: str, text: str, mode: Any, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry, multiprocess_mode=mode)

        self._generations = _Children(
            counter("scriptgen_generations_total", "Generations ended.", "status", "intent", "backend")
        )
        self._stages = _Children(
            histogram("scriptgen_stage_seconds", "Time in a stage.", RPC_BUCKETS, "stage")
        )
        self._first_delta = histogram(
            "scriptgen_first_delta_seconds", "From a request to its first text.", RPC_BUCKETS
        )
        self._overhead = histogram(
            "scriptgen_overhead_seconds", "Time of a generation minus its upstream's.", SHORT_BUCKETS
        )
        self._lock_wait = histogram(
            "scriptgen_session_lock_wait_seconds", "Wait for a session's lock.", SHORT_BUCKETS
        )
        self._lock_timeouts = counter("scriptgen_session_lock_timeouts_total", "Waits that were given up.")
        self._lock_degraded = gauge(
            "scriptgen_session_lock_degraded", "1 while the Redis lock is replaced by a local one.", "livemax"
        )
        self._decisions = _Children(
            counter("scriptgen_rate_limit_decisions_total", "Quota decisions.", "decision", "reason")
        )
        self._ratio = histogram(
            "scriptgen_tokens_reserved_ratio", "Reserved tokens to used ones.", RATIO_BUCKETS
        )
        self._writes = _Children(
            counter("scriptgen_checkpoint_writes_total", "Checkpoint appends.", "backend", "outcome")
        )
        self._replays = counter("scriptgen_replays_total", "Requests answered from a known result.")
        self._profiles = _Children(
            counter("scriptgen_profile_cache_total", "Profile cache look-ups.", "result")
        )
        self._llm_requests = _Children(
            counter("scriptgen_llm_requests_total", "Model calls.", "backend", "outcome")
        )
        self._llm_tokens = _Children(
            counter("scriptgen_llm_tokens_total", "Model tokens.", "backend", "kind")
        )
        self._breakers = _Children(
            gauge("scriptgen_llm_breaker_state", "0 closed, 1 half-open, 2 open.", "livemax", "backend")
        )
        self._issues = _Children(
            counter("scriptgen_quality_issues_total", "Findings of reviews.", "type", "severity")
        )
        self._retries = counter("scriptgen_quality_retries_total", "Scripts written again after a review.")
        self._holdback = histogram(
            "scriptgen_guard_holdback_characters", "Text held back by the stream guard.", CHARACTER_BUCKETS
        )
        self._inflight = gauge("scriptgen_inflight_generations", "Generations running now.", "livesum")

    def generation(self, status: str, intent: str, backend: str) -> None:
        self._generations(status, intent, backend).inc()

    def stage_seconds(self, stage: str, seconds: float) -> None:
        self._stages(stage).observe(seconds)

    def first_delta_seconds(self, seconds: float) -> None:
        self._first_delta.observe(seconds)

    def overhead_seconds(self, seconds: float) -> None:
        self._overhead.observe(seconds)

    def inflight(self, delta: int) -> None:
        self._inflight.inc(delta)

    def replay(self) -> None:
        self._replays.inc()

    def lock_wait_seconds(self, seconds: float) -> None:
        self._lock_wait.observe(seconds)

    def lock_timeout(self) -> None:
        self._lock_timeouts.inc()

    def lock_degraded(self, degraded: bool) -> None:
        self._lock_degraded.set(int(degraded))

    def rate_limit_decision(self, decision: str, reason: str) -> None:
        self._decisions(decision, reason).inc()

    def tokens_reserved_ratio(self, ratio: float) -> None:
        self._ratio.observe(ratio)

    def checkpoint_write(self, backend: str, outcome: str) -> None:
        self._writes(backend, outcome).inc()

    def profile_cache(self, result: str) -> None:
        self._profiles(result).inc()

    def llm_request(self, backend: str, outcome: str) -> None:
        self._llm_requests(backend, outcome).inc()

    def llm_tokens(self, backend: str, kind: str, count: int) -> None:
        self._llm_tokens(backend, kind).inc(max(0, count))

    def llm_breaker_state(self, backend: str, state: str) -> None:
        self._breakers(backend).set(BREAKER_STATES.get(state.lower().replace("-", "_"), 2))

    def quality_issue(self, kind: str, severity: str) -> None:
        self._issues(kind, severity).inc()

    def quality_retry(self) -> None:
        self._retries.inc()

    def guard_holdback(self, characters: int) -> None:
        self._holdback.observe(characters)


class MetricsServer:
    """Serves Prometheus text over HTTP from its own thread, so a busy event loop can still be watched."""

    def __init__(self, server: WSGIServer, thread: threading.Thread) -> None:
        self._server = server
        self._thread = thread

    @classmethod
    def start(cls, host: str, port: int, registry: CollectorRegistry) -> MetricsServer:
        """Listen (port 0: any free one). Raises OSError when the address is taken."""
        return cls(*start_http_server(port, host, registry))

    @property
    def port(self) -> int:
        return self._server.server_port

    async def stop(self) -> None:
        """Close the port and wait for the thread; idempotent."""
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
