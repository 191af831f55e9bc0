"""Answers a finished request from its record, without a model call, quota or lock.

Only what would come again is stored: results and lasting failures. The fingerprint guards against an id that
is used twice for different things.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.errors import (
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    ScriptgenError,
)
from scriptgen.domain.generation import GenerationResult, ResetReason, ScriptDelta, ScriptReset, StageChanged
from scriptgen.domain.vocabulary import GenerationStatus, Stage

from .channel import EventChannel
from .state import StoredError, decode, stored_result

_ERRORS: dict[str, type[ScriptgenError]] = {
    "PERMISSION_DENIED": PermissionDeniedError,
    "FAILED_PRECONDITION": FailedPreconditionError,
    "NOT_FOUND": NotFoundError,
}
_MICROSECONDS = 1_000_000


class StoredAnswer(msgspec.Struct, frozen=True):
    """A result or a failure; exactly one is set. `stages` are those the generation passed."""

    result: GenerationResult | None
    error: StoredError | None
    stages: tuple[Stage, ...]


def stored_answer(
    found: CheckpointRecord | None, fingerprint: str, ttl_seconds: float, now: int
) -> StoredAnswer | None:
    """What the record answers, None when the request has to run.

    Raises `FailedPreconditionError` (REQUEST_ID_REUSED) when the record is of another request. `now` is in µs
    since the epoch.
    """
    if found is None:
        return None
    header = found.header
    if header.status.terminal and now - header.create_time > ttl_seconds * _MICROSECONDS:
        return None
    if header.request_fingerprint != fingerprint:
        raise reused_request_id()
    if not header.status.terminal:
        return None
    state = decode(found.state)
    result = stored_result(state)
    if result is not None:
        passed = tuple(stage for stage in Stage if stage.value in state.stage_seconds)
        return StoredAnswer(replace(result, replayed=True), None, passed)
    if state.error is not None:
        return StoredAnswer(None, state.error, ())
    return None


def replay_into(channel: EventChannel, answer: StoredAnswer, resume_after: int) -> None:
    """Emit the stored answer as a stream would have ended; a listener that saw something before is told to
    throw it away, because its pieces were cut elsewhere.
    """
    if answer.error is not None:
        kind = _ERRORS.get(answer.error.code, FailedPreconditionError)
        channel.close(kind(answer.error.message, reason=answer.error.reason))
        return
    result = answer.result
    assert result is not None
    if not resume_after:
        for stage in answer.stages:
            if stage is not Stage.REGENERATING:
                channel.emit(StageChanged(stage))
    _show(channel, result, again=bool(resume_after))
    if result.status in {GenerationStatus.COMPLETED, GenerationStatus.DEGRADED}:
        channel.emit(StageChanged(Stage(result.status.value)))
    channel.emit(result)
    channel.close()


def _show(channel: EventChannel, result: GenerationResult, *, again: bool) -> None:
    for index, script in enumerate(result.scripts):
        if again:
            channel.emit(ScriptReset(index, ResetReason.GENERATION_RESUMED))
        channel.emit(ScriptDelta(index, script.content))
    if result.clarification is not None:
        channel.emit(result.clarification)
    for script in result.scripts:
        if script.quality is not None:
            channel.emit(script.quality)


def reused_request_id() -> FailedPreconditionError:
    return FailedPreconditionError(
        "This request_id was used for another request in this session.", reason="REQUEST_ID_REUSED"
    )
