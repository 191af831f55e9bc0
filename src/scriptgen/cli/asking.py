"""`scriptgen review` and `scriptgen status`."""

from __future__ import annotations

import argparse

from scriptgen.v1 import (
    generate_pb2,
    generate_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    types_pb2,
)

from .connection import channel, metadata, reporting


@reporting
def review(arguments: argparse.Namespace) -> int:
    """Exit code 1 when the text does not pass."""
    with channel(arguments) as opened:
        stub = generate_pb2_grpc.GenerateServiceStub(opened)
        request = generate_pb2.ReviewScriptRequest(text=arguments.text, category=arguments.category)
        response = stub.ReviewScript(request, metadata=metadata(arguments), timeout=arguments.timeout)
    print_report(response.quality)
    return 0 if response.quality.passed else 1


@reporting
def status(arguments: argparse.Namespace) -> int:
    with channel(arguments) as opened:
        stub = status_pb2_grpc.StatusServiceStub(opened)
        response = stub.GetStatus(
            status_pb2.GetStatusRequest(), metadata=metadata(arguments), timeout=arguments.timeout
        )
    uptime = response.uptime.seconds
    print(f"scriptgen {response.version}  engine {response.engine}  up {uptime}s")
    for part in response.components:
        state = status_pb2.ComponentState.Name(part.state).removeprefix("COMPONENT_STATE_")
        details = "  ".join(f"{key}={value}" for key, value in sorted(part.details.items()))
        print(f"  {part.name:<18}{state:<10}{part.backend:<12}{details}")
    return 0


def print_report(report: types_pb2.QualityReport) -> None:
    verdict = "通过" if report.passed else "不通过"
    print(f"合规审核：{verdict}  得分 {report.score:.2f}  风格一致 {report.style_score:.2f}")
    for issue in report.issues:
        severity = types_pb2.Severity.Name(issue.severity).removeprefix("SEVERITY_")
        print(f"  [{severity}] {issue.type} “{issue.span}” ({issue.start}–{issue.end}) {issue.message}")
        if issue.suggestion:
            print(f"      建议：{issue.suggestion}")
        if issue.basis:
            print(f"      依据：{issue.basis}")
