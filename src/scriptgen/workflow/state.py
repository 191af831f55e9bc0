"""The workflow's state: everything a generation knows that must survive its process, as plain JSON.

Clients, stores and the event channel are not here; they travel in the run (workflow/run.py).
"""

from __future__ import annotations

from typing import Any

import msgspec
import msgspec.structs
from msgspec.structs import replace

from scriptgen.domain.canonical import canonical_json, from_json
from scriptgen.domain.generation import GenerationRequest, GenerationResult, Usage
from scriptgen.domain.intent import Clarification, Intent, PendingRequest, Slots
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import Product, Script, Turn
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.domain.writing import WritingTask


class Draft(msgspec.Struct, frozen=True):
    """One written text of a task. `complete` is false when the writer gave up before the end; `notes` then
    say why, for the next attempt. `warnings` are for the operator, if this draft is delivered.
    """

    text: str
    backend: str
    model: str
    complete: bool = True
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    quality: QualityReport | None = None


class TurnOutcome(msgspec.Struct, frozen=True):
    """What a finished turn changes in its session. It is merged into whatever head is stored by then, so a
    change made meanwhile (UpdateSession) is kept.

    `category` and `product` are the session's after the turn; they are written only if `switched`.
    """

    status: GenerationStatus
    turn: Turn | None = None
    scripts: tuple[Script, ...] = ()
    slots: Slots = msgspec.field(default_factory=Slots)
    category: str = ""
    product: Product = msgspec.field(default_factory=Product)
    switched: bool = False
    pending: PendingRequest | None = None
    summary: str = ""
    turn_count: int = 0
    script_count: int = 0


class StoredError(msgspec.Struct, frozen=True):
    """A failure that would come again, kept so that a retry is answered the same way."""

    code: str
    reason: str
    message: str


class WorkflowState(msgspec.Struct, frozen=True, kw_only=True):
    """A struct and not a dataclass, because every step makes a new one: `evolved` copies it in C.

    `next_stage` None means that no stage is left; `status` then tells how it ended.

    There is one draft per task once it has been written; None where it must be written (again). `retry` asks
    for REGENERATING. `outcome` and `result` are set in the final record only; `result.scripts` is empty
    there, because the scripts stand in the outcome.
    """

    request: GenerationRequest
    turn_index: int = 0
    next_stage: Stage | None = Stage.CONTEXT_LOADING
    attempt: int = 0
    attempts: int = 0
    intent: Intent | None = None
    resolved_query: str = ""
    skill: str = ""
    product: Product = msgspec.field(default_factory=Product)
    tasks: tuple[WritingTask, ...] = ()
    drafts: tuple[Draft | None, ...] = ()
    retry: bool = False
    degraded: bool = False
    usage: Usage = msgspec.field(default_factory=Usage)
    reply: str = ""
    clarification: Clarification | None = None
    warnings: tuple[str, ...] = ()
    status: GenerationStatus | None = None
    resumed: bool = False
    stage_seconds: dict[str, float] = msgspec.field(default_factory=dict)
    upstream_seconds: float = 0.0
    outcome: TurnOutcome | None = None
    result: GenerationResult | None = None
    error: StoredError | None = None

    @property
    def scripts_planned(self) -> int:
        """How many scripts this generation writes; one while that is not known."""
        return max(len(self.drafts), 1)

    @property
    def unwritten(self) -> int | None:
        """Index of the first task without a draft."""
        for index, draft in enumerate(self.drafts):
            if draft is None:
                return index
        return None


def evolved(state: WorkflowState, **changes: Any) -> WorkflowState:
    """The state with `changes`."""
    return msgspec.structs.replace(state, **changes)


def encode(state: WorkflowState) -> bytes:
    return canonical_json(state)


def decode(data: bytes) -> WorkflowState:
    return from_json(data, WorkflowState)


def with_draft(state: WorkflowState, index: int, draft: Draft | None) -> tuple[Draft | None, ...]:
    return (*state.drafts[:index], draft, *state.drafts[index + 1 :])


def stored_result(state: WorkflowState) -> GenerationResult | None:
    """The result a final record holds, with its scripts."""
    if state.result is None:
        return None
    return replace(state.result, scripts=state.outcome.scripts if state.outcome else ())
