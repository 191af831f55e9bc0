"""Domain errors as google.rpc.Status, exactly as the contract's error table says.

Not responsible for what is an error (`domain.errors`) or for sending it (the errors interceptor).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from scriptgen.domain.errors import (
    FieldViolation,
    InvalidArgumentError,
    ResourceExhaustedError,
    ScriptgenError,
)

DOMAIN = "scriptgen"
#: The contract's enum has no reason for these; its zero value, without the prefix, stands in.
NO_REASON = "UNSPECIFIED"
DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
#: Where the contract promises RetryInfo and the error names no time of its own, in seconds.
DEFAULT_RETRY = {"ABORTED": 0.2, "UNAVAILABLE": 1.0}
#: gRPC clients refuse more than 8 KiB of metadata; base64 and the message text need room too.
MAX_VIOLATION_BYTES = 3500
MAX_MESSAGE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class RichStatus(grpc.Status):
    """What `abort_with_status` takes: code, text, and the details among the trailing metadata."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


def to_status(error: ScriptgenError) -> RichStatus:
    """The status of a domain error; each detail type appears at most once."""
    retry_after = DEFAULT_RETRY.get(error.code) if error.retry_after is None else error.retry_after
    metadata = dict(error.metadata)
    details: list[Message] = []
    if isinstance(error, InvalidArgumentError):
        shown = list(_fitting(error.violations))
        details.append(error_details_pb2.BadRequest(field_violations=shown))
        if len(shown) < len(error.violations):
            metadata["violations_omitted"] = str(len(error.violations) - len(shown))
    if retry_after is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(retry_after)))
    if isinstance(error, ResourceExhaustedError):
        violation = error_details_pb2.QuotaFailure.Violation(
            subject=error.violation.subject, description=error.violation.description
        )
        details.append(error_details_pb2.QuotaFailure(violations=[violation]))
    trailing: tuple[tuple[str, str | bytes], ...] = ()
    if isinstance(error, ResourceExhaustedError) and retry_after is not None:
        trailing = ((PUSHBACK_KEY, str(math.ceil(retry_after * 1000))),)
    message = error.message
    if len(message) > MAX_MESSAGE_CHARACTERS:
        message = message[: MAX_MESSAGE_CHARACTERS - 1] + "…"
    info = _error_info(error.reason or NO_REASON, metadata)
    return _status(grpc.StatusCode[error.code], message, [info, *details], trailing)


def internal_status(trace_id: str) -> RichStatus:
    """What a caller sees of an unexpected exception: nothing but the trace id to quote."""
    info = _error_info(NO_REASON, {"trace_id": trace_id})
    return _status(grpc.StatusCode.INTERNAL, "Internal error.", [info], ())


def _error_info(reason: str, metadata: Mapping[str, str]) -> error_details_pb2.ErrorInfo:
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)


def _status(
    code: grpc.StatusCode,
    message: str,
    details: Sequence[Message],
    trailing: tuple[tuple[str, str | bytes], ...],
) -> RichStatus:
    packed = []
    for detail in details:
        wrapped = AnyMessage()
        wrapped.Pack(detail)
        packed.append(wrapped)
    number: int = code.value[0]
    status = status_pb2.Status(code=number, message=message, details=packed)
    return RichStatus(code, message, ((DETAILS_KEY, status.SerializeToString()), *trailing))


def _fitting(violations: Sequence[FieldViolation]) -> Iterator[error_details_pb2.BadRequest.FieldViolation]:
    room = MAX_VIOLATION_BYTES
    for violation in violations:
        message = error_details_pb2.BadRequest.FieldViolation(
            field=violation.field, description=violation.description
        )
        room -= message.ByteSize() + 4
        if room < 0:
            return
        yield message


def _duration(seconds: float) -> Duration:
    nanos = math.ceil(seconds * 1e9)
    return Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)
