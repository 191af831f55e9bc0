from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scriptgen.domain.observer import Observer
from scriptgen.metrics import Metrics, MetricsServer, PrometheusObserver

#: Every name of architecture.md with its labels.
NAMES = {
    "grpc_server_started_total": "grpc_method,grpc_service,grpc_type",
    "grpc_server_handled_total": "grpc_code,grpc_method,grpc_service,grpc_type",
    "grpc_server_handling_seconds": "grpc_method,grpc_service,grpc_type",
    "grpc_server_msg_sent_total": "grpc_method,grpc_service,grpc_type",
    "scriptgen_generations_total": "backend,intent,status",
    "scriptgen_stage_seconds": "stage",
    "scriptgen_first_delta_seconds": "",
    "scriptgen_overhead_seconds": "",
    "scriptgen_session_lock_wait_seconds": "",
    "scriptgen_session_lock_timeouts_total": "",
    "scriptgen_session_lock_degraded": "",
    "scriptgen_rate_limit_decisions_total": "decision,reason",
    "scriptgen_tokens_reserved_ratio": "",
    "scriptgen_checkpoint_writes_total": "backend,outcome",
    "scriptgen_replays_total": "",
    "scriptgen_profile_cache_total": "result",
    "scriptgen_llm_requests_total": "backend,outcome",
    "scriptgen_llm_tokens_total": "backend,kind",
    "scriptgen_llm_breaker_state": "backend",
    "scriptgen_quality_issues_total": "severity,type",
    "scriptgen_quality_retries_total": "",
    "scriptgen_guard_holdback_characters": "",
    "scriptgen_inflight_generations": "",
}


def report_everything(metrics: Metrics) -> None:
    observer = metrics.observer
    observer.generation("COMPLETED", "SCRIPT_GENERATION", "template")
    observer.stage_seconds("CONTEXT_LOADING", 0.001)
    observer.first_delta_seconds(0.01)
    observer.overhead_seconds(0.004)
    observer.inflight(2)
    observer.inflight(-1)
    observer.replay()
    observer.lock_wait_seconds(0.1)
    observer.lock_timeout()
    observer.lock_degraded(True)
    observer.rate_limit_decision("denied", "QPS_LIMIT_EXCEEDED")
    observer.tokens_reserved_ratio(1.2)
    observer.checkpoint_write("memory", "ok")
    observer.profile_cache("hit")
    observer.llm_request("vllm", "ok")
    observer.llm_tokens("vllm", "prompt", 500)
    observer.llm_breaker_state("vllm", "half-open")
    observer.quality_issue("absolute_claim", "BLOCK")
    observer.quality_retry()
    observer.guard_holdback(3)
    metrics.rpc.started("/scriptgen.v1.GenerateService/Generate", "unary")
    metrics.rpc.handled("/scriptgen.v1.GenerateService/Generate", "unary", "OK", 0.02, 3)


def test_every_documented_metric_is_there_with_its_labels() -> None:
    metrics = Metrics()
    report_everything(metrics)
    found = {}
    for family in text_string_to_metric_families(metrics.render().decode()):
        if family.name.endswith("_created"):
            continue
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = ",".join(sorted(set(family.samples[0].labels) - {"le"}))
    assert found == NAMES


def test_the_values_are_what_was_reported() -> None:
    metrics = Metrics()
    report_everything(metrics)
    value = metrics.registry.get_sample_value
    assert value("scriptgen_inflight_generations") == 1
    assert value("scriptgen_llm_tokens_total", {"backend": "vllm", "kind": "prompt"}) == 500
    assert value("scriptgen_llm_breaker_state", {"backend": "vllm"}) == 1
    assert value("scriptgen_session_lock_degraded") == 1
    metrics.observer.lock_degraded(False)
    assert value("scriptgen_session_lock_degraded") == 0
    assert value("scriptgen_stage_seconds_sum", {"stage": "CONTEXT_LOADING"}) == pytest.approx(0.001)


def test_every_observation_is_counted_and_none_names_a_caller() -> None:
    for name, method in inspect.getmembers(Observer, inspect.isfunction):
        assert name in vars(PrometheusObserver), f"{name} is reported and dropped"
        assert not {"tenant", "tenant_id", "user", "session"} & set(inspect.signature(method).parameters)


async def test_the_text_is_served_over_http_and_the_port_is_free_afterwards() -> None:
    metrics = Metrics()
    metrics.observer.replay()
    server = MetricsServer.start("127.0.0.1", 0, metrics.rendered_registry())
    port = server.port
    assert port > 0
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as response:  # noqa: ASYNC210
        assert response.headers["Content-Type"].startswith("text/plain")
        assert b"scriptgen_replays_total 1.0" in response.read()
    await server.stop()
    await server.stop()
    again = MetricsServer.start("127.0.0.1", port, metrics.registry)
    await again.stop()


WORKER = """
import sys
from scriptgen.metrics import Metrics
metrics = Metrics()
metrics.observer.replay()
metrics.observer.inflight(int(sys.argv[1]))
sys.stdout.write(metrics.render().decode())
sys.stdout.flush()
sys.stdin.read()
"""
FORGET = "import sys; from scriptgen.metrics import forget_worker; forget_worker(int(sys.argv[1]))"
RENDER = "from scriptgen.metrics import Metrics; print(Metrics().render().decode())"


def test_workers_share_one_page_and_a_dead_one_no_longer_counts_as_busy(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-c", *arguments]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True, timeout=60).stdout

    def value(text: str, name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        assert found, text
        return float(found[1])

    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, count],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for count in ("2", "5")
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            while "scriptgen_replays_total" not in worker.stdout.readline():
                pass
        page = run(RENDER)
        assert value(page, "scriptgen_replays_total") == 2
        assert value(page, "scriptgen_inflight_generations") == 7
        workers[0].communicate("", timeout=30)
        run(FORGET, str(workers[0].pid))
        page = run(RENDER)
        assert value(page, "scriptgen_replays_total") == 2
        assert value(page, "scriptgen_inflight_generations") == 5
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.communicate("", timeout=30)
