from __future__ import annotations

from google.rpc import status_pb2

from scriptgen.domain.errors import (
    FieldViolation,
    InvalidArgumentError,
    QuotaViolation,
    ResourceExhaustedError,
    SessionBusyError,
)
from scriptgen.rpc.status import DETAILS_KEY, RichStatus, to_status

#: What gRPC clients accept by default, soft limit.
METADATA_LIMIT = 8192


def trailing_bytes(status: RichStatus) -> int:
    binary = dict(status.trailing_metadata)[DETAILS_KEY]
    assert isinstance(binary, bytes)
    return len(binary) * 4 // 3 + len(status.details.encode()) * 3


def test_a_status_never_outgrows_the_clients_metadata_limit() -> None:
    many = [
        FieldViolation(f'product.facts["{"键" * 64}"]' + str(number), "错" * 200) for number in range(500)
    ]
    assert trailing_bytes(to_status(InvalidArgumentError(many))) < METADATA_LIMIT


def test_the_details_repeat_code_and_text_for_clients_that_read_only_them() -> None:
    status = to_status(SessionBusyError("Another generation of the session runs.", retry_after=2.5))
    binary = dict(status.trailing_metadata)[DETAILS_KEY]
    assert isinstance(binary, bytes)
    packed = status_pb2.Status.FromString(binary)
    assert packed.code == 10
    assert packed.message == status.details == "Another generation of the session runs."
    assert [detail.TypeName() for detail in packed.details] == [
        "google.rpc.ErrorInfo",
        "google.rpc.RetryInfo",
    ]


def test_the_time_to_wait_is_rounded_up_never_down() -> None:
    error = ResourceExhaustedError("x", retry_after=0.0001, violation=QuotaViolation("qps", "x"))
    assert dict(to_status(error).trailing_metadata)["grpc-retry-pushback-ms"] == "1"
