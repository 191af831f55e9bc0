"""`scriptgen chat` and `scriptgen generate`: stream a script to the terminal as it is written."""

from __future__ import annotations

import argparse
import sys
from typing import TextIO

import grpc

from scriptgen.v1 import (
    generate_pb2,
    generate_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    types_pb2,
)

from .asking import print_report
from .connection import Metadata, channel, describe, metadata, reporting

_STAGES = {
    "CONTEXT_LOADING": "读会话",
    "INTENT_RECOGNIZING": "理解需求",
    "INTENT_CLARIFYING": "确认信息",
    "SKILL_EXECUTING": "执行技能",
    "PROFILE_FETCHING": "取主播风格",
    "SCRIPT_GENERATING": "写话术",
    "QUALITY_CHECKING": "质检",
    "REGENERATING": "重写",
    "COMPLETED": "完成",
    "DEGRADED": "完成（降级）",
}


@reporting
def generate(arguments: argparse.Namespace) -> int:
    with channel(arguments) as opened:
        session = arguments.session or open_session(opened, arguments)
        result = stream_once(
            opened,
            session,
            arguments.query,
            metadata(arguments),
            timeout=arguments.timeout,
            request_id=arguments.request_id,
        )
        print(f"会话 {session}", file=sys.stderr)
        if result.scripts:
            print_report(result.quality)
    return 0


@reporting
def chat(arguments: argparse.Namespace) -> int:
    """Until an empty line or the end of input. A failed turn is shown; the conversation goes on."""
    with channel(arguments) as opened:
        session = open_session(opened, arguments)
        print(f"会话 {session}。输入需求，空行结束。", file=sys.stderr)
        while query := _ask():
            try:
                stream_once(opened, session, query, metadata(arguments), timeout=arguments.timeout)
            except grpc.RpcError as error:
                print(describe(error), file=sys.stderr)
    return 0


def open_session(opened: grpc.Channel, arguments: argparse.Namespace) -> str:
    request = session_pb2.CreateSessionRequest(
        influencer=types_pb2.Influencer(
            name=arguments.influencer, style=types_pb2.Style(catchphrases=arguments.catchphrase)
        ),
        category=arguments.category,
        product=types_pb2.Product(
            name=arguments.product, price=arguments.price, selling_points=arguments.point
        ),
    )
    stub = session_pb2_grpc.SessionServiceStub(opened)
    response = stub.CreateSession(request, metadata=metadata(arguments), timeout=arguments.timeout)
    return response.session.session_id


def stream_once(
    opened: grpc.Channel,
    session: str,
    query: str,
    headers: Metadata,
    *,
    timeout: float,
    request_id: str = "",
    out: TextIO | None = None,
) -> generate_pb2.GenerationResult:
    """Print stages, text and resets as they arrive; return the result. Raises `grpc.RpcError`."""
    stub = generate_pb2_grpc.GenerateServiceStub(opened)
    request = generate_pb2.GenerateStreamRequest(session_id=session, query=query, request_id=request_id)
    printer = _Printer(out or sys.stdout)
    for event in stub.GenerateStream(request, metadata=headers, timeout=timeout):
        printer.show(event)
    return printer.result


class _Printer:
    """Deltas run on in one paragraph; everything else gets a line of its own."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._open_line = False
        self._script = 0
        self.result = generate_pb2.GenerationResult()

    def show(self, event: generate_pb2.GenerateStreamResponse) -> None:
        if event.HasField("delta"):
            self._delta(event.delta)
            return
        if self._open_line:
            self._out.write("\n")
            self._open_line = False
        if event.HasField("stage"):
            name = types_pb2.Stage.Name(event.stage.stage).removeprefix("STAGE_")
            print(f"  · {_STAGES.get(name, name)}", file=self._out, flush=True)
        elif event.HasField("reset"):
            print(f"  ↺ 上面这一稿作废：{event.reset.detail}", file=self._out)
        elif event.HasField("clarification"):
            for line in (event.clarification.question, *(f"    - {o}" for o in event.clarification.options)):
                print(line, file=self._out)
        elif event.HasField("result"):
            self._result(event.result)

    def _delta(self, delta: generate_pb2.ScriptDelta) -> None:
        if delta.script_index != self._script:
            self._script = delta.script_index
            self._out.write("\n\n")
        self._out.write(delta.text)
        self._out.flush()
        self._open_line = True

    def _result(self, result: generate_pb2.GenerationResult) -> None:
        self.result = result
        if result.reply and not result.clarification.question:
            print(result.reply, file=self._out)
        for warning in result.warnings:
            print(f"  ! {warning}", file=self._out)


def _ask() -> str:
    try:
        return input("\n你 > ").strip()
    except EOFError:
        return ""
