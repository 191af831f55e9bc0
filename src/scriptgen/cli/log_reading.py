"""`scriptgen checkpoints`: read, verify and export the log of a session, over the wire like any client."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format

from scriptgen.v1 import checkpoint_pb2, checkpoint_pb2_grpc, types_pb2

from .connection import Metadata, channel, metadata, reporting

_PAGE = 200
#: Records that delivered something: what reviewers must be able to see later.
_DELIVERED = frozenset(
    {checkpoint_pb2.CHECKPOINT_STATUS_COMPLETED, checkpoint_pb2.CHECKPOINT_STATUS_DEGRADED}
)


@reporting
def list_checkpoints(arguments: argparse.Namespace) -> int:
    with channel(arguments) as opened:
        stub = checkpoint_pb2_grpc.CheckpointServiceStub(opened)
        for record in _records(stub, arguments.session, metadata(arguments), arguments.timeout):
            status = checkpoint_pb2.CheckpointStatus.Name(record.status)
            stage = types_pb2.Stage.Name(record.stage).removeprefix("STAGE_")
            print(
                f"{record.version:>6}  {status.removeprefix('CHECKPOINT_STATUS_'):<11}{stage:<20}"
                f"{record.create_time.ToJsonString()}  {record.request_id}  {record.checksum[:12]}"
            )
    return 0


@reporting
def show_checkpoint(arguments: argparse.Namespace) -> int:
    with channel(arguments) as opened:
        stub = checkpoint_pb2_grpc.CheckpointServiceStub(opened)
        record = _record(stub, arguments.session, arguments.version, metadata(arguments), arguments.timeout)
    print(json_format.MessageToJson(record, ensure_ascii=False, indent=2))
    return 0


@reporting
def verify_checkpoints(arguments: argparse.Namespace) -> int:
    with channel(arguments) as opened:
        stub = checkpoint_pb2_grpc.CheckpointServiceStub(opened)
        verdict = stub.VerifyCheckpoints(
            checkpoint_pb2.VerifyCheckpointsRequest(session_id=arguments.session),
            metadata=metadata(arguments),
            timeout=arguments.timeout,
        )
    if verdict.valid:
        print(f"valid: {verdict.checked} records")
        return 0
    print(f"broken at version {verdict.first_bad_version}", file=sys.stderr)
    return 1


@reporting
def export_checkpoints(arguments: argparse.Namespace) -> int:
    """One line for every delivered script, oldest first: the text, its report, and the proof (checksums).

    Such records must be kept for three years (直播电商监督管理办法 27, 31); keep them outside of the service,
    which prunes its log.
    """
    with channel(arguments) as opened:
        stub = checkpoint_pb2_grpc.CheckpointServiceStub(opened)
        headers = _records(stub, arguments.session, metadata(arguments), arguments.timeout)
        versions = [header.version for header in headers if header.status in _DELIVERED]
        for version in reversed(versions):
            record = _record(stub, arguments.session, version, metadata(arguments), arguments.timeout)
            for line in _compliance_lines(record):
                print(json.dumps(line, ensure_ascii=False, sort_keys=True))
    return 0


def _compliance_lines(record: checkpoint_pb2.Checkpoint) -> Iterator[dict[str, Any]]:
    state = json_format.MessageToDict(record.state)
    outcome = state.get("outcome") or {}
    for script in outcome.get("scripts", []):
        yield {
            "session_id": record.session_id,
            "version": record.version,
            "request_id": record.request_id,
            "trace_id": record.trace_id,
            "time": record.create_time.ToJsonString(),
            "checksum": record.checksum,
            "prev_checksum": record.prev_checksum,
            "script_id": script["script_id"],
            "content": script["content"],
            "backend": script["backend"],
            "model": script["model"],
            "quality": script["quality"],
        }


def _records(
    stub: checkpoint_pb2_grpc.CheckpointServiceStub, session: str, headers: Metadata, timeout: float
) -> Iterator[checkpoint_pb2.Checkpoint]:
    token = ""
    while True:
        request = checkpoint_pb2.ListCheckpointsRequest(session_id=session, page_size=_PAGE, page_token=token)
        page = stub.ListCheckpoints(request, metadata=headers, timeout=timeout)
        yield from page.checkpoints
        token = page.next_page_token
        if not token:
            return


def _record(
    stub: checkpoint_pb2_grpc.CheckpointServiceStub,
    session: str,
    version: int,
    headers: Metadata,
    timeout: float,
) -> checkpoint_pb2.Checkpoint:
    if version:
        request = checkpoint_pb2.GetCheckpointRequest(session_id=session, version=version)
        return stub.GetCheckpoint(request, metadata=headers, timeout=timeout).checkpoint
    latest = checkpoint_pb2.GetLatestCheckpointRequest(session_id=session)
    return stub.GetLatestCheckpoint(latest, metadata=headers, timeout=timeout).checkpoint
