"""`scriptgen demo`: a server of its own in another process, and the way any client would use it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time

import grpc

from scriptgen.v1 import session_pb2, session_pb2_grpc, types_pb2

from .asking import print_report
from .talking import stream_once

_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_CALL_SECONDS = 60.0
#: The demo shows the defaults, whatever this shell has set for a real server.
_KEPT = frozenset({"PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR"})
_QUERIES = (
    "帮我写一段直播带货的产品介绍，要活泼一点",
    "再来一段",
)


def demo() -> int:
    """Exit code 0 when every script was delivered and passed its review; leaves nothing running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scriptgen", "serve"],
        env=_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        addresses = _addresses(process)
        if addresses is None:
            print("demo: the server did not start", file=sys.stderr)
            return 1
        with grpc.insecure_channel(addresses["grpc"]) as channel:
            passed = _converse(channel)
        _where(addresses)
    except grpc.RpcError as error:
        print(f"demo: {error}", file=sys.stderr)
        passed = False
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return 0 if passed else 1


def _converse(channel: grpc.Channel) -> bool:
    sessions = session_pb2_grpc.SessionServiceStub(channel)
    created = sessions.CreateSession(
        session_pb2.CreateSessionRequest(
            influencer=types_pb2.Influencer(
                name="林小满",
                platform="抖音",
                style=types_pb2.Style(tone="活泼", catchphrases=["听我说"], interaction=0.8, humor=0.5),
                audience="25 到 35 岁的上班族",
            ),
            category="美妆",
            product=types_pb2.Product(
                name="桃桃唇釉",
                price="59.9元",
                selling_points=["上嘴显白", "不沾杯"],
                facts={"质地": "水光", "颜色": "蜜桃乌龙、樱花奶茶两个色"},
            ),
        ),
        timeout=_CALL_SECONDS,
    )
    passed = True
    for query in _QUERIES:
        print(f"\n运营：{query}\n")
        result = stream_once(channel, created.session.session_id, query, (), timeout=_CALL_SECONDS)
        print()
        print_report(result.quality)
        passed = passed and bool(result.scripts) and result.quality.passed
    return passed


def _where(addresses: dict[str, str]) -> None:
    print(f"\n服务地址    {addresses['grpc']}（反射已开：grpcurl -plaintext {addresses['grpc']} list）")
    if "metrics" in addresses:
        print(f"指标        http://{addresses['metrics']}/metrics")
    print("这台演示服务现在停下；要自己跑一台：make serve")


def _environment() -> dict[str, str]:
    """The caller's, with an embedded server on free ports that writes at a pace one can read along with."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    return kept | {
        "APP_ENV": "development",
        "GRPC_LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "TEMPLATE_PACE_SECONDS": "0.05",
        "LOG_LEVEL": "WARNING",
        "DRAIN_DELAY_SECONDS": "0",
        "PYTHONUNBUFFERED": "1",
    }


def _addresses(process: subprocess.Popen[str]) -> dict[str, str] | None:
    """From the server's ready line; None when it ended or said nothing in time."""
    assert process.stdout is not None
    until = time.monotonic() + _START_SECONDS
    while (left := until - time.monotonic()) > 0:
        ready, _, _ = select.select([process.stdout], [], [], left)
        line = process.stdout.readline() if ready else ""
        if " serving " in line:
            return dict(part.split("=", 1) for part in line.split() if "=" in part)
        if not line:
            return None
    return None
