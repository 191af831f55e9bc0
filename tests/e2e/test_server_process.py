"""The server as a process: what an operator, a balancer and a foreign client see of it."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc, types_pb2
from tests.services.live import assert_whole

from .process import environment, serving


def _session(channel: grpc.Channel) -> str:
    request = session_pb2.CreateSessionRequest(category="美妆", product=types_pb2.Product(name="桃桃唇釉"))
    stub = session_pb2_grpc.SessionServiceStub(channel)
    return stub.CreateSession(request, timeout=10).session.session_id


def test_sigterm_during_a_stream_lets_it_end_whole_and_exits_zero() -> None:
    with serving(TEMPLATE_PACE_SECONDS="0.05") as server, grpc.insecure_channel(server.grpc) as channel:
        session = _session(channel)
        stub = generate_pb2_grpc.GenerateServiceStub(channel)
        request = generate_pb2.GenerateStreamRequest(session_id=session, query="写一段产品介绍")
        events = []
        refused: list[str] = []
        for event in stub.GenerateStream(request, timeout=30):
            events.append(event)
            if event.HasField("delta") and not refused:
                server.process.send_signal(signal.SIGTERM)
                refused.append(_refusal(channel, session))
        assert_whole(events)
        assert refused[0] == "DRAINING"
        assert server.process.wait(20) == 0


def _refusal(channel: grpc.Channel, session: str) -> str:
    """Keep calling until the drain has begun; the reason new work is refused with."""
    stub = generate_pb2_grpc.GenerateServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    serving_status = health_pb2.HealthCheckResponse.SERVING
    while health.Check(health_pb2.HealthCheckRequest(), timeout=5).status == serving_status:
        pass
    with pytest.raises(grpc.RpcError) as caught:
        stub.Generate(generate_pb2.GenerateRequest(session_id=session, query="写一段开场话术"), timeout=5)
    status = rpc_status.from_call(caught.value)
    return "DRAINING" if "DRAINING" in str(status) else repr(caught.value)


def test_metrics_are_served_as_prometheus_text() -> None:
    with serving() as server, grpc.insecure_channel(server.grpc) as channel:
        session = _session(channel)
        stub = generate_pb2_grpc.GenerateServiceStub(channel)
        stub.Generate(generate_pb2.GenerateRequest(session_id=session, query="写一段产品介绍"), timeout=10)
        with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=5) as response:
            text = response.read().decode()
        assert (
            'scriptgen_generations_total{backend="template",intent="SCRIPT_GENERATION",status="COMPLETED"} 1.0'
            in text
        )
        assert 'grpc_server_handled_total{grpc_code="OK",grpc_method="Generate"' in text
        assert session not in text
        assert server.terminate() == 0


def test_a_foreign_client_calls_over_reflection(tmp_path: Path) -> None:
    buf = Path(sys.executable).parent / "buf"
    with serving() as server:

        def call(method: str, body: dict[str, object]) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [
                    str(buf),
                    "curl",
                    "--protocol",
                    "grpc",
                    "--http2-prior-knowledge",
                    "-d",
                    json.dumps(body),
                    f"http://{server.grpc}/scriptgen.v1.{method}",
                ],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                cwd=tmp_path,
            )

        created = call("SessionService/CreateSession", {"category": "食品", "product": {"name": "牛肉干"}})
        assert created.returncode == 0, created.stderr
        session = json.loads(created.stdout)["session"]["sessionId"]
        streamed = call("GenerateService/GenerateStream", {"sessionId": session, "query": "写一段促销话术"})
        assert streamed.returncode == 0, streamed.stderr
        events = [json.loads(line) for line in _documents(streamed.stdout)]
        result = events[-1]["result"]
        assert "牛肉干" in result["scripts"][0]["content"]
        assert "".join(e["delta"]["text"] for e in events if "delta" in e) == result["scripts"][0]["content"]
        missing = call("SessionService/GetSession", {"sessionId": "ses_absent"})
        assert missing.returncode == 8 * grpc.StatusCode.NOT_FOUND.value[0]
        packed = json.loads(missing.stderr)["details"][0]["value"]
        assert b"SESSION_NOT_FOUND" in base64.b64decode(packed + "=" * (-len(packed) % 4))


def _documents(text: str) -> list[str]:
    """Consecutive JSON documents, one string each."""
    decoder = json.JSONDecoder()
    found, position = [], 0
    while position < len(text.rstrip()):
        _, end = decoder.raw_decode(text, position)
        found.append(text[position:end])
        position = end + len(text[end:]) - len(text[end:].lstrip())
    return found


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("SESSION_STORE", "mongodb", "memory"),
        ("CORE_RATE_QPS_PER_TENANT", "many", "number"),
        ("APP_ENV", "production", "API_KEYS_FILE"),
        ("SERVER_WORKERS", "3", "memory"),
        ("GRPC_LISTEN", "nowhere", "host:port"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_clear_line(name: str, value: str, takes: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scriptgen", "serve"],
        env=environment(**{name: value}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    lines = ended.stderr.strip().splitlines()
    assert len(lines) == 1, ended.stderr
    assert name in lines[0]
    assert value in lines[0]
    assert takes in lines[0]


def test_concurrent_streams_of_many_sessions_end_whole() -> None:
    with serving(CORE_RATE_QPS_PER_TENANT="1000", CORE_RATE_TOKENS_PER_MIN="10000000") as server:
        results = []

        def caller() -> None:
            with grpc.insecure_channel(server.grpc) as channel:
                session = _session(channel)
                stub = generate_pb2_grpc.GenerateServiceStub(channel)
                for query in ("写一段开场话术", "再来一段"):
                    request = generate_pb2.GenerateStreamRequest(session_id=session, query=query)
                    results.append(assert_whole(list(stub.GenerateStream(request, timeout=30))))

        threads = [threading.Thread(target=caller) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 16
        assert server.terminate() == 0


def test_the_demo_streams_scripts_that_pass_their_review_and_leaves_nothing_running() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scriptgen", "demo"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("合规审核：通过") == 2
    assert "桃桃唇釉" in ended.stdout
    address = ended.stdout.split("服务地址", 1)[1].split("（", 1)[0].strip()
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError):
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=3)
