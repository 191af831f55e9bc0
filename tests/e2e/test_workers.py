"""`SERVER_WORKERS=N`: several processes on one port that an operator starts, watches and stops as one."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from scriptgen.v1 import generate_pb2, generate_pb2_grpc, session_pb2, session_pb2_grpc, types_pb2
from tests.services.live import assert_whole
from tests.valkey import ValkeyServer, valkey_server

from .process import ServerProcess, environment, serving

WORKERS = 2
QUERY = "写一段产品介绍"


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path_factory.mktemp("valkey")) as server:
        yield server


def settings(valkey: ValkeyServer, **more: str) -> dict[str, str]:
    return {
        "SERVER_WORKERS": str(WORKERS),
        "SESSION_STORE": "redis",
        "CHECKPOINT_STORE": "redis",
        "REDIS_URL": valkey.url,
        "CORE_RATE_QPS_PER_TENANT": "0",
        "CORE_RATE_TOKENS_PER_MIN": "0",
        "CORE_RATE_CONCURRENT_PER_TENANT": "0",
        **more,
    }


def test_workers_share_one_port_one_ready_line_and_one_metrics_endpoint(valkey: ValkeyServer) -> None:
    with serving(**settings(valkey)) as server:
        assert len(workers(server)) == WORKERS
        calls = until_all_answered(server)
        assert generations(server) == calls
        assert server.terminate() == 0
        assert server.process.stdout is not None
        assert " serving " not in server.process.stdout.read()


def test_a_chosen_port_is_served_by_all_workers(valkey: ValkeyServer) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with serving(**settings(valkey, GRPC_LISTEN=f"127.0.0.1:{port}", METRICS_LISTEN="")) as server:
        assert server.grpc == f"127.0.0.1:{port}"
        assert server.metrics == ""
        call(server.grpc)
        assert server.terminate() == 0


def test_a_killed_worker_is_replaced_while_the_others_answer(valkey: ValkeyServer) -> None:
    with serving(**settings(valkey)) as server:
        calls = until_all_answered(server)
        before = workers(server)
        os.kill(before[0], signal.SIGKILL)
        answered = 0

        def replaced() -> bool:
            nonlocal answered
            with contextlib.suppress(grpc.RpcError):  # a connection that the dead one still held
                call(server.grpc)
                answered += 1
            now = workers(server)
            return len(now) == WORKERS and before[0] not in now

        eventually(replaced)
        assert answered > 0
        assert before[1] in workers(server)
        # What the dead one had counted still counts.
        assert generations(server) >= calls + answered
        calls = generations(server) + until_all_answered(server)
        assert generations(server) == calls
        assert server.terminate() == 0


def test_sigterm_lets_the_streams_of_all_workers_end_whole_and_leaves_nothing_running(
    valkey: ValkeyServer,
) -> None:
    with serving(**settings(valkey, TEMPLATE_PACE_SECONDS="0.05")) as server:
        started = threading.Barrier(9)
        streams: list[list[generate_pb2.GenerateStreamResponse]] = []
        children = workers(server)

        def caller() -> None:
            with grpc.insecure_channel(
                server.grpc, options=[("grpc.use_local_subchannel_pool", 1)]
            ) as channel:
                request = generate_pb2.GenerateStreamRequest(session_id=session(channel), query=QUERY)
                stub = generate_pb2_grpc.GenerateServiceStub(channel)
                stream = stub.GenerateStream(request, timeout=30)
                events = [next(stream)]
                started.wait()
                streams.append([*events, *stream])

        threads = [threading.Thread(target=caller) for _ in range(8)]
        for thread in threads:
            thread.start()
        started.wait()
        assert server.terminate() == 0
        for thread in threads:
            thread.join()
        assert len(streams) == 8
        for events in streams:
            assert_whole(events)
        assert not [pid for pid in children if alive(pid)]


def test_the_local_limiter_gives_each_worker_its_share_of_the_tenants_limit(valkey: ValkeyServer) -> None:
    with serving(**settings(valkey, CORE_RATE_QPS_PER_TENANT="4")) as server:
        began = time.monotonic()
        passed = 0
        refusing: set[int] = set()
        # Both workers must have been asked beyond their share, or the test would see only one of them.
        while len(refusing) < WORKERS or time.monotonic() - began < 2:
            assert time.monotonic() - began < 20
            try:
                call(server.grpc)
                passed += 1
            except grpc.RpcError as error:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
                refusing = counting(server, b"QPS_LIMIT_EXCEEDED")
        assert passed <= 4 + 4 * (time.monotonic() - began)


def test_workers_end_when_their_parent_was_killed(valkey: ValkeyServer) -> None:
    with serving(**settings(valkey)) as server:
        children = workers(server)
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(alive(pid) for pid in children))


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (
            {"SESSION_STORE": "memory"},
            "SESSION_STORE: got 'memory' with SERVER_WORKERS=2, takes redis or sqlite",
        ),
        ({"CHECKPOINT_STORE": "memory"}, "CHECKPOINT_STORE: got 'memory' with SERVER_WORKERS=2"),
        ({"DISTRIBUTED_LOCK_ENABLED": "false"}, "SERVER_WORKERS: got 2 with a local session lock"),
        ({"GRPC_LISTEN": "unix:/tmp/scriptgen.sock"}, "SERVER_WORKERS: got 2 with a unix: address"),
    ],
)
def test_what_workers_cannot_share_is_refused_with_one_clear_line(
    valkey: ValkeyServer, wrong: dict[str, str], line: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "scriptgen", "serve"],
        env=environment(**settings(valkey, **wrong)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    (said,) = ended.stderr.strip().splitlines()
    assert said.startswith(f"scriptgen: {line}")


def session(channel: grpc.Channel) -> str:
    request = session_pb2.CreateSessionRequest(category="美妆", product=types_pb2.Product(name="桃桃唇釉"))
    return session_pb2_grpc.SessionServiceStub(channel).CreateSession(request, timeout=10).session.session_id


def call(target: str) -> None:
    """One generation over a connection of its own, so that any worker may get it."""
    with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        request = generate_pb2.GenerateRequest(session_id=session(channel), query=QUERY)
        generate_pb2_grpc.GenerateServiceStub(channel).Generate(request, timeout=10)


def until_all_answered(server: ServerProcess) -> int:
    """Call until every worker has counted a generation; how many calls that took."""
    calls = 0

    def all_counted() -> bool:
        nonlocal calls
        call(server.grpc)
        calls += 1
        return counting(server) >= set(workers(server))

    eventually(all_counted)
    return calls


def counting(server: ServerProcess, label: bytes = b"GenerateService") -> set[int]:
    """Process ids of the workers whose counters hold the label, from the files they share."""
    environ = Path(f"/proc/{workers(server)[0]}/environ").read_bytes().decode()
    found = re.search("PROMETHEUS_MULTIPROC_DIR=([^\0]*)", environ)
    assert found is not None
    files = Path(found[1]).glob("counter_*.db")
    return {int(path.stem.split("_")[1]) for path in files if label in path.read_bytes()}


def generations(server: ServerProcess) -> int:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics", timeout=5) as response:
        text = response.read().decode()
    return sum(
        int(float(line.rsplit(" ", 1)[1]))
        for line in text.splitlines()
        if line.startswith("scriptgen_generations_total{")
    )


def workers(server: ServerProcess) -> list[int]:
    parent = server.process.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(condition: Callable[[], bool], within: float = 30.0) -> None:
    until = time.monotonic() + within
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)
