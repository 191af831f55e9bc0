"""Where a generation that was broken off goes on from, and what those who saw its beginning are told."""

from __future__ import annotations

import msgspec

from scriptgen.domain.checkpoint import CheckpointRecord, CheckpointStatus
from scriptgen.domain.generation import GenerationRequest, ResetReason, ScriptDelta, ScriptReset

from .channel import EventChannel
from .state import WorkflowState, decode, evolved


def first_state(
    request: GenerationRequest, found: CheckpointRecord | None, turn_count: int
) -> tuple[WorkflowState, CheckpointStatus]:
    """The state to begin with and its status: RESUMED from `found`, if that is an unfinished record that this
    version can read, else ACCEPTED.
    """
    if found is not None and not found.header.status.terminal:
        try:
            state = decode(found.state)
        except msgspec.ValidationError:
            pass
        else:
            return evolved(state, resumed=True, turn_index=turn_count), CheckpointStatus.RESUMED
    return WorkflowState(request=request), CheckpointStatus.ACCEPTED


def restate(channel: EventChannel, state: WorkflowState, *, void: bool) -> None:
    """Tell listeners what of the scripts stands; with `void` what they saw so far does not."""
    if void:
        for index in range(state.scripts_planned):
            channel.emit(ScriptReset(index, ResetReason.GENERATION_RESUMED))
    for index, draft in enumerate(state.drafts):
        if draft is not None:
            channel.emit(ScriptDelta(index, draft.text))
