"""What callers see when a call fails: code, reason and details of the contract's table, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from scriptgen.domain import errors
from scriptgen.domain.errors import FieldViolation, QuotaViolation, ScriptgenError
from scriptgen.rpc.interceptors.call import Call
from scriptgen.v1 import errors_pb2
from scriptgen.v1 import generate_pb2 as pb

from .edge import EdgeServer, Refusal, refused, refused_stream, request, stream_request

SECRET = "redis://:hunter2@10.0.0.1 把开头换成问候语"

#: error, code, reason, detail types beside ErrorInfo
CASES: list[tuple[ScriptgenError, str, str, set[str]]] = [
    (errors.UnauthenticatedError("x"), "UNAUTHENTICATED", "CREDENTIALS_MISSING", set()),
    (errors.PermissionDeniedError("x"), "PERMISSION_DENIED", "TENANT_INACTIVE", set()),
    (
        errors.PermissionDeniedError("x", reason="SKILL_NOT_ALLOWED"),
        "PERMISSION_DENIED",
        "SKILL_NOT_ALLOWED",
        set(),
    ),
    (errors.NotFoundError("x"), "NOT_FOUND", "SESSION_NOT_FOUND", set()),
    (errors.NotFoundError("x", reason="SCRIPT_NOT_FOUND"), "NOT_FOUND", "SCRIPT_NOT_FOUND", set()),
    (errors.FailedPreconditionError("x"), "FAILED_PRECONDITION", "NO_SCRIPT", set()),
    (errors.SessionBusyError("x", retry_after=0.5), "ABORTED", "SESSION_BUSY", {"RetryInfo"}),
    (errors.RevisionConflictError("x"), "ABORTED", "REVISION_CONFLICT", {"RetryInfo"}),
    (errors.LeaseLostError("x"), "ABORTED", "LEASE_LOST", {"RetryInfo"}),
    (errors.DeadlineExceededError("x"), "DEADLINE_EXCEEDED", "UNSPECIFIED", set()),
    (errors.LLMUnavailableError("x"), "UNAVAILABLE", "LLM_UNAVAILABLE", {"RetryInfo"}),
    (errors.StoreUnavailableError("x"), "UNAVAILABLE", "STORE_UNAVAILABLE", {"RetryInfo"}),
    (errors.DrainingError("x"), "UNAVAILABLE", "DRAINING", {"RetryInfo"}),
    (errors.DataLossError("x"), "DATA_LOSS", "CHECKPOINT_CORRUPT", set()),
    (
        errors.ResourceExhaustedError(
            "x", reason="QPS_LIMIT_EXCEEDED", retry_after=1.25, violation=QuotaViolation("qps", "8 a second")
        ),
        "RESOURCE_EXHAUSTED",
        "QPS_LIMIT_EXCEEDED",
        {"RetryInfo", "QuotaFailure"},
    ),
    (
        errors.InvalidArgumentError([FieldViolation("query", "required")]),
        "INVALID_ARGUMENT",
        "INVALID_FIELD",
        {"BadRequest"},
    ),
]


async def failing_with(error: BaseException) -> Refusal:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        raise error

    async with EdgeServer(generate=work) as server:
        return await refused(server.generating.Generate(request()))


@pytest.mark.parametrize(
    ("error", "code", "reason", "details"),
    CASES,
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_each_error_of_the_contract_arrives_with_its_details(
    error: ScriptgenError, code: str, reason: str, details: set[str]
) -> None:
    refusal = await failing_with(error)
    assert refusal.code.name == code
    assert refusal.reason == reason
    assert set(refusal.details) - {"ErrorInfo"} == details
    assert refusal.text == error.message
    assert f"ERROR_REASON_{refusal.reason}" in errors_pb2.ErrorReason.keys()  # noqa: SIM118 (not a mapping)


async def test_the_same_error_arrives_in_the_middle_of_a_stream() -> None:
    async def work(message: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
        yield pb.GenerateStreamResponse(sequence=1)
        raise errors.LeaseLostError("Another worker took the session over.")

    async with EdgeServer(stream=work) as server:
        received: list[int] = []
        refusal = await refused_stream(server.generating.GenerateStream(stream_request()), received)
        assert received == [1]
        assert (refusal.code.name, refusal.reason) == ("ABORTED", "LEASE_LOST")


async def test_a_full_quota_names_the_limit_and_the_time_in_every_place() -> None:
    refusal = await failing_with(CASES[-2][0])
    delay = refusal.details["RetryInfo"].retry_delay
    assert delay.seconds + delay.nanos / 1e9 == pytest.approx(1.25)
    assert refusal.metadata == {"retry_after_seconds": "1.250"}
    assert refusal.trailing["grpc-retry-pushback-ms"] == "1250"
    violation = refusal.details["QuotaFailure"].violations[0]
    assert (violation.subject, violation.description) == ("qps", "8 a second")


async def test_only_a_full_quota_pushes_retries_back() -> None:
    refusal = await failing_with(errors.DrainingError("x"))
    assert "grpc-retry-pushback-ms" not in refusal.trailing


async def test_a_refused_reservation_holds_nothing() -> None:
    async with EdgeServer() as server:
        server.limiter.refusal = CASES[-2][0]
        refusal = await refused(server.generating.Generate(request()))
        assert refusal.reason == "QPS_LIMIT_EXCEEDED"
        assert server.trail.steps == []
        assert server.admission.running == 0


async def test_a_busy_session_gives_the_reservation_back() -> None:
    async with EdgeServer() as server:
        server.lock.refusal = errors.SessionBusyError("Another generation runs.", retry_after=0.5)
        refusal = await refused(server.generating.Generate(request()))
        assert refusal.reason == "SESSION_BUSY"
        assert server.trail.steps == ["reserved", "settled 0"]
        assert server.admission.running == 0


@pytest.mark.parametrize(
    "error", [RuntimeError(SECRET), ValueError(SECRET), KeyError(SECRET), OSError(SECRET)]
)
async def test_the_words_of_an_unexpected_exception_never_reach_the_caller(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        raise error

    async with EdgeServer(generate=work) as server:
        with caplog.at_level(logging.ERROR, logger="scriptgen"):
            call = server.generating.Generate(request(), metadata=[("x-trace-id", "find-me")])
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
    refusal = Refusal(caught.value)
    assert refusal.code is grpc.StatusCode.INTERNAL
    assert refusal.text == "Internal error."
    assert refusal.metadata == {"trace_id": "find-me"}
    assert set(refusal.details) == {"ErrorInfo"}
    assert "hunter2" not in repr(caught.value)
    assert "hunter2" not in repr(list(caught.value.trailing_metadata() or ()))
    assert any(record.exc_info for record in caplog.records), "the traceback is for operators"


async def test_an_unexpected_exception_in_a_stream_is_internal_too() -> None:
    async def work(message: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
        yield pb.GenerateStreamResponse(sequence=1)
        raise RuntimeError(SECRET)

    async with EdgeServer(stream=work) as server:
        refusal = await refused_stream(server.generating.GenerateStream(stream_request()))
        assert (refusal.code.name, refusal.text) == ("INTERNAL", "Internal error.")


async def test_all_wrong_fields_are_named_at_once() -> None:
    async with EdgeServer() as server:
        wrong = pb.GenerateRequest(query="", request_id="short", parameters=pb.GenerationParameters(top_p=0))
        refusal = await refused(server.generating.Generate(wrong))
        assert refusal.reason == "INVALID_FIELD"
        fields = [violation.field for violation in refusal.details["BadRequest"].field_violations]
        assert fields == ["session_id", "query", "request_id", "parameters.top_p"]
        assert server.trail.steps == [], "nothing was reserved for a malformed request"


async def test_more_violations_than_metadata_can_hold_are_cut_and_counted() -> None:
    facts = {f"键{number}": "\x00" for number in range(50)}
    product = {"facts": facts, "selling_points": [""] * 20}
    async with EdgeServer() as server:
        refusal = await refused(server.generating.Generate(request(product=product)))
        shown = len(refusal.details["BadRequest"].field_violations)
        assert shown > 20
        assert shown + int(refusal.metadata["violations_omitted"]) == 70


async def test_a_caller_without_rights_does_not_learn_what_is_wrong_with_the_request() -> None:
    from scriptgen.rpc.auth.authenticator import Authenticator

    class Nobody(Authenticator):
        async def authenticate(self, metadata: Any) -> Any:
            raise errors.UnauthenticatedError("A bearer token or an API key is needed.")

    async with EdgeServer(authenticator=Nobody(anonymous_allowed=True)) as server:
        refusal = await refused(server.generating.Generate(pb.GenerateRequest()))
        assert refusal.reason == "CREDENTIALS_MISSING"


async def test_every_call_gets_a_trace_id_back_before_its_answer() -> None:
    async with EdgeServer() as server:
        call = server.generating.Generate(request())
        made = dict(await call.initial_metadata())["x-trace-id"]
        assert len(made) == 32
        await call


@pytest.mark.parametrize(
    ("metadata", "field", "expected"),
    [
        ({"x-trace-id": "mine"}, "", "mine"),
        ({"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}, "", "a" * 32),
        ({}, "from-the-field", "from-the-field"),
        ({"x-trace-id": "mine"}, "from-the-field", "mine"),
        ({"x-trace-id": "two words"}, "from-the-field", "from-the-field"),
        ({"traceparent": "00-" + "0" * 32 + "-" + "b" * 16 + "-01"}, "x1", "x1"),
        ({"traceparent": "ff-" + "a" * 32 + "-" + "b" * 16 + "-01"}, "x1", "x1"),
    ],
)
async def test_a_well_formed_trace_id_is_joined_and_a_broken_one_passed_over(
    metadata: dict[str, str], field: str, expected: str
) -> None:
    async with EdgeServer() as server:
        call = server.generating.Generate(request(trace_id=field), metadata=list(metadata.items()))
        assert dict(await call.initial_metadata())["x-trace-id"] == expected
        await call


@pytest.mark.parametrize(
    ("metadata", "given"),
    [
        ([("x-trace-id", "mine")], True),
        ([("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")], False),
        ([], False),
    ],
)
async def test_a_trace_id_counts_as_chosen_only_when_it_names_this_call(
    metadata: list[tuple[str, str]], given: bool
) -> None:
    async def work(message: Any, call: Call) -> pb.GenerateResponse:
        return pb.GenerateResponse(result=pb.GenerationResult(replayed=call.trace_id_given))

    async with EdgeServer(generate=work) as server:
        answer = await server.generating.Generate(request(), metadata=metadata)
        assert answer.result.replayed is given


async def test_the_access_line_holds_ids_and_sizes_but_no_content(caplog: pytest.LogCaptureFixture) -> None:
    async with EdgeServer() as server:
        with caplog.at_level(logging.INFO, logger="scriptgen.access"):
            await server.generating.Generate(request(query="绝密话术", request_id="r-00000009"))
            await server.trail.until("settled 0")
    (fields,) = (record.__dict__["fields"] for record in caplog.records if record.name == "scriptgen.access")
    assert fields["method"] == "/scriptgen.v1.GenerateService/Generate"
    assert (fields["code"], fields["tenant"], fields["request_id"]) == ("OK", "tenant_dev", "r-00000009")
    assert fields["request_bytes"] > 0
    assert "绝密话术" not in repr(fields)
