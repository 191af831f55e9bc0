"""Turns a finished state into what is stored of it and what the caller is told. Pure functions."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from scriptgen.domain.conversation import HistoryTurn
from scriptgen.domain.generation import GenerationResult, Usage
from scriptgen.domain.intent import Intent, PendingRequest, Slots
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import Script, SessionHead, Turn
from scriptgen.domain.vocabulary import GenerationStatus, IntentType

from .history import summary_with
from .run import Run
from .state import TurnOutcome, WorkflowState, evolved

#: Turns that write nothing and leave slots and open questions as they are.
_ASIDES: Final = frozenset({IntentType.QUERY, IntentType.OTHER})


def scripts_of(state: WorkflowState, head: SessionHead, now: int) -> tuple[Script, ...]:
    """One script per delivered draft, numbered on from the session's last."""
    scripts: list[Script] = []
    for task, draft in zip(state.tasks, state.drafts, strict=True):
        if draft is None:
            continue
        version = head.script_count + len(scripts) + 1
        scripts.append(
            Script(
                script_id=f"scr_{head.session_id.removeprefix('ses_')}_{version}",
                content=draft.text,
                category=task.category,
                scenario=task.scenario,
                sub_scenario=task.sub_scenario,
                product_name=task.product.name,
                turn_index=state.turn_index,
                version=version,
                model=draft.model,
                backend=draft.backend,
                quality=draft.quality,
                create_time=now,
            )
        )
    return tuple(scripts)


def turn_outcome(state: WorkflowState, run: Run, now: int) -> TurnOutcome:
    """What this turn adds to its session."""
    head, intent, status = run.head, state.intent, state.status
    assert intent is not None
    assert status is not None
    scripts = scripts_of(state, head, now)
    question = state.clarification.question if state.clarification else ""
    turn = Turn(
        turn_index=state.turn_index,
        query=state.request.query,
        resolved_query=state.resolved_query,
        intent=intent,
        reply=f"{state.reply}{question}",
        script_ids=tuple(script.script_id for script in scripts),
        status=status,
        create_time=now,
    )
    switched = intent.product_switched and bool(scripts)
    return TurnOutcome(
        status=status,
        turn=turn,
        scripts=scripts,
        slots=_inheritable(head.slots, intent),
        category=intent.slots.category or head.category,
        product=state.product if switched else head.product,
        switched=switched,
        pending=_pending(state, intent, head.pending),
        summary=_summary(run),
        turn_count=state.turn_index + 1,
        script_count=head.script_count + len(scripts),
    )


def cancelled_outcome(run: Run) -> TurnOutcome:
    """A cancelled or failed generation leaves no turn, only the head's last status."""
    head = run.head
    return TurnOutcome(
        status=GenerationStatus.CANCELLED,
        slots=head.slots,
        category=head.category,
        product=head.product,
        pending=head.pending,
        summary=head.summary,
        turn_count=head.turn_count,
        script_count=head.script_count,
    )


def result_of(state: WorkflowState, outcome: TurnOutcome, version: int) -> GenerationResult:
    """The caller's result; `version` is that of the record which will hold it."""
    request = state.request
    scripts = outcome.scripts
    return GenerationResult(
        request_id=request.request_id,
        trace_id=request.trace_id,
        session_id=request.key.session_id,
        status=outcome.status,
        scripts=scripts,
        reply=state.reply,
        intent=state.intent,
        quality=_worst(tuple(s.quality for s in scripts if s.quality is not None)),
        clarification=state.clarification,
        usage=state.usage,
        backend=scripts[0].backend if scripts else "",
        model=scripts[0].model if scripts else "",
        attempts=state.attempts,
        resumed=state.resumed,
        stage_seconds=state.stage_seconds,
        checkpoint_version=version,
        warnings=tuple(dict.fromkeys(state.warnings)),
    )


def cancelled_result(state: WorkflowState, version: int, tokens: int) -> GenerationResult:
    """What a waiting caller gets when somebody cancelled the generation."""
    request = state.request
    return GenerationResult(
        request_id=request.request_id,
        trace_id=request.trace_id,
        session_id=request.key.session_id,
        status=GenerationStatus.CANCELLED,
        intent=state.intent,
        usage=Usage(completion_tokens=tokens, estimated=True),
        attempts=state.attempts,
        stage_seconds=state.stage_seconds,
        checkpoint_version=version,
    )


def final_state(state: WorkflowState, outcome: TurnOutcome, result: GenerationResult) -> WorkflowState:
    """What the final record holds: the outcome and the result, without the working material."""
    return evolved(
        state,
        next_stage=None,
        tasks=(),
        drafts=(),
        outcome=outcome,
        result=replace(result, scripts=()),
    )


def _inheritable(old: Slots, intent: Intent) -> Slots:
    """Slots that the next turn may inherit: chat and questions change nothing."""
    if intent.type in _ASIDES:
        return old
    return intent.slots


def _pending(state: WorkflowState, intent: Intent, before: PendingRequest | None) -> PendingRequest | None:
    """What waits for an answer after this turn. Chat in between changes nothing; a question that is asked
    again still belongs to the request that was asked about first.
    """
    if state.status is not GenerationStatus.CLARIFYING:
        return before if intent.type in _ASIDES else None
    if before is not None and intent.refers_to_turn == before.turn_index:
        return PendingRequest(before.turn_index, before.query, intent)
    return PendingRequest(state.turn_index, state.request.query, intent)


def _summary(run: Run) -> str:
    """The summary after this turn: the oldest turn of a full window leaves it."""
    history: tuple[HistoryTurn, ...] = run.conversation.history
    if len(history) < run.workshop.limits.history_window_turns:
        return run.head.summary
    return summary_with(run.head.summary, history[0])


def _worst(reports: tuple[QualityReport, ...]) -> QualityReport | None:
    return min(reports, key=lambda report: (report.passed, report.score), default=None)
