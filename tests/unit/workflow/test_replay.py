"""Which records answer a request again, and that the events made from one keep the promises of a stream."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointHeader, CheckpointRecord, sealed
from scriptgen.domain.checkpoint import CheckpointStatus as Status
from scriptgen.domain.errors import FailedPreconditionError, PermissionDeniedError, ScriptgenError
from scriptgen.domain.generation import (
    GenerationParameters,
    GenerationRequest,
    GenerationResult,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
)
from scriptgen.domain.intent import Clarification
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import Product, Script, SessionKey
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.workflow.channel import EventChannel
from scriptgen.workflow.engine import fingerprint_of
from scriptgen.workflow.replay import StoredAnswer, replay_into, stored_answer
from scriptgen.workflow.state import StoredError, TurnOutcome, WorkflowState, encode

from .kit import shown_texts

KEY = SessionKey("tenant", "ses_1")
REQUEST = GenerationRequest(KEY, "", "写一段开场", "request-0001", "trace")
SCRIPT = Script("scr_1_1", "家人们晚上好！", quality=QualityReport(passed=True, score=1.0))
RESULT = GenerationResult("request-0001", "trace", "ses_1", GenerationStatus.COMPLETED, scripts=(SCRIPT,))
TTL = 120.0
SECOND = 1_000_000

CONTENTS = st.text("家人们晚上好！欢迎来到直播间", min_size=1, max_size=30)
RESULTS = st.builds(
    lambda contents, status, asked, quality: replace(
        RESULT,
        status=status,
        scripts=tuple(Script(f"scr_1_{n}", text, quality=quality) for n, text in enumerate(contents, 1)),
        clarification=Clarification("卖什么？", ("product_name",)) if asked else None,
    ),
    st.lists(CONTENTS, max_size=4),
    st.sampled_from([GenerationStatus.COMPLETED, GenerationStatus.DEGRADED, GenerationStatus.CLARIFYING]),
    st.booleans(),
    st.sampled_from([None, SCRIPT.quality]),
)


def record(status: Status, state: WorkflowState, *, at: int = 0, fingerprint: str = "f") -> CheckpointRecord:
    header = CheckpointHeader(
        session_id="ses_1",
        version=1,
        trace_id="trace",
        request_id="request-0001",
        request_fingerprint=fingerprint,
        stage="",
        stages=(),
        next_stage="",
        status=status,
        attempt=0,
        schema_version=1,
        prev_checksum=GENESIS_CHECKSUM,
        create_time=at,
    )
    return sealed("tenant", header, encode(state))


def finished() -> WorkflowState:
    outcome = TurnOutcome(GenerationStatus.COMPLETED, scripts=(SCRIPT,))
    seconds = {"CONTEXT_LOADING": 0.1, "REGENERATING": 0.2, "SCRIPT_GENERATING": 0.3}
    return WorkflowState(
        request=REQUEST, outcome=outcome, result=replace(RESULT, scripts=()), stage_seconds=seconds
    )


async def replayed(answer: StoredAnswer, after: int) -> list[SequencedEvent]:
    channel = EventChannel(flush_seconds=0.04, max_events=16, first_sequence=after + 1)
    replay_into(channel, answer, after)
    return [event async for event in channel.subscribe(after)]


@given(
    result=RESULTS,
    stages=st.sets(st.sampled_from(list(Stage)[:8])),
    after=st.integers(0, 40),
)
def test_a_replay_is_a_whole_stream_from_any_point(
    result: GenerationResult, stages: set[Stage], after: int
) -> None:
    answer = StoredAnswer(result, None, tuple(stage for stage in Stage if stage in stages))
    events = asyncio.run(replayed(answer, after))
    assert [event.sequence for event in events] == list(range(after + 1, after + 1 + len(events)))
    assert [isinstance(event.event, GenerationResult) for event in events].index(True) == len(events) - 1
    assert events[-1].event == result
    assert shown_texts(events) == {n: script.content for n, script in enumerate(result.scripts)}
    if after:  # every delta stands behind a reset of its script
        voided: set[int] = set()
        for event in events:
            if isinstance(event.event, ScriptReset):
                voided.add(event.event.script_index)
            elif isinstance(event.event, ScriptDelta):
                assert event.event.script_index in voided


def test_a_finished_request_is_answered_with_its_scripts_until_the_time_is_over() -> None:
    found = record(Status.COMPLETED, finished(), at=5 * SECOND)
    answer = stored_answer(found, "f", TTL, 6 * SECOND)
    assert answer is not None
    assert answer.result == replace(RESULT, replayed=True)
    assert answer.stages == (Stage.CONTEXT_LOADING, Stage.SCRIPT_GENERATING, Stage.REGENERATING)
    assert stored_answer(found, "f", TTL, int((5 + TTL) * SECOND)) is not None
    assert stored_answer(found, "f", TTL, int((5 + TTL) * SECOND) + 1) is None


def test_an_id_used_for_something_else_is_refused_as_long_as_it_is_remembered() -> None:
    for status in (Status.COMPLETED, Status.RUNNING, Status.CANCELLED):
        with pytest.raises(FailedPreconditionError) as caught:
            stored_answer(record(status, finished()), "other", TTL, 0)
        assert caught.value.reason == "REQUEST_ID_REUSED"
    late = int(TTL * SECOND) + 1
    assert stored_answer(record(Status.COMPLETED, finished()), "other", TTL, late) is None
    with pytest.raises(FailedPreconditionError):
        stored_answer(record(Status.RUNNING, finished()), "other", TTL, late)


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.RUNNING, Status.RESUMED])
def test_an_unfinished_request_has_no_answer_yet(status: Status) -> None:
    assert stored_answer(record(status, finished()), "f", TTL, 0) is None


def test_nothing_recorded_has_no_answer() -> None:
    assert stored_answer(None, "f", TTL, 0) is None
    for status in (Status.FAILED, Status.CANCELLED):
        assert stored_answer(record(status, WorkflowState(request=REQUEST)), "f", TTL, 0) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("PERMISSION_DENIED", PermissionDeniedError), ("FAILED_PRECONDITION", FailedPreconditionError)],
)
async def test_a_lasting_failure_is_answered_with_the_same_failure(
    code: str, kind: type[ScriptgenError]
) -> None:
    state = WorkflowState(request=REQUEST, error=StoredError(code, "SOME_REASON", "That is not allowed."))
    answer = stored_answer(record(Status.FAILED, state), "f", TTL, 0)
    assert answer is not None
    with pytest.raises(kind) as caught:
        await replayed(answer, 0)
    assert (caught.value.reason, caught.value.message) == ("SOME_REASON", "That is not allowed.")


def test_the_fingerprint_covers_what_was_asked_and_nothing_of_how_it_was_sent() -> None:
    same = replace(REQUEST, request_id="request-0002", trace_id="other", explicit_id=True, deduplicate=False)
    assert fingerprint_of(same) == fingerprint_of(REQUEST)
    others = [
        replace(REQUEST, query="写一段开场。"),
        replace(REQUEST, user_id="anna"),
        replace(REQUEST, key=SessionKey("tenant", "ses_2")),
        replace(REQUEST, key=SessionKey("other", "ses_1")),
        replace(REQUEST, product=Product(name="桃桃唇釉")),
        replace(REQUEST, parameters=GenerationParameters(temperature=0.5)),
    ]
    prints = {fingerprint_of(one) for one in (REQUEST, *others)}
    assert len(prints) == 1 + len(others)
