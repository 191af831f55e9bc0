"""The stages: what each does to the state, and the pure rule of which comes next.

A stage returns only what it changes. Retries, timeouts, streaming and persistence live in `step` and in the
agents, never in a runner, so that both runners give equal states and equal records.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from scriptgen.agents.script import Screened, feedback_line
from scriptgen.domain.errors import LLMUnavailableError, PermissionDeniedError
from scriptgen.domain.generation import ResetReason, ScriptDelta, ScriptReset
from scriptgen.domain.quality import Severity
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.domain.writing import WritingTask
from scriptgen.skills.protocol import SkillContext

from .drafting import repair_warnings, write_draft
from .history import compressed
from .run import Run
from .state import Draft, WorkflowState, with_draft

Update = Mapping[str, Any]
StageFunction = Callable[[WorkflowState, Run], Awaitable[Update]]

#: The skill whose work begins with the profile instead of a plan of its own.
_STRAIGHT_SKILL: Final = "generate"
_MAX_AVOIDED: Final = 5


async def load_context(state: WorkflowState, run: Run) -> Update:
    """Place the turn in its session; the session itself was read when the run was opened."""
    return {"turn_index": run.head.turn_count, "product": state.request.product or run.head.product}


async def recognize_intent(state: WorkflowState, run: Run) -> Update:
    """Understand the query and choose the skill."""
    conversation = run.conversation
    if state.request.product is not None:
        conversation = replace(conversation, product=state.request.product)
    understanding = await run.workshop.intent.recognize(
        state.request.query, conversation, deadline=run.deadline
    )
    intent = understanding.intent
    category = intent.slots.category or run.head.category
    if not run.principal.may_write_for(category):
        raise PermissionDeniedError(
            "This credential does not allow that category.", reason="CATEGORY_NOT_ALLOWED"
        )
    skill = run.workshop.skills.select(intent, state.request.query).name
    if not run.principal.may_use(skill):
        raise PermissionDeniedError("This credential does not allow that skill.", reason="SKILL_NOT_ALLOWED")
    return {"intent": intent, "resolved_query": understanding.resolved_query, "skill": skill}


async def clarify(state: WorkflowState, run: Run) -> Update:
    """Ask for what is missing."""
    assert state.intent is not None
    clarification = run.workshop.intent.clarification(state.intent, run.conversation)
    run.emit(clarification)
    return {
        "clarification": clarification,
        "reply": "好的，这就帮你写，先跟你确认一下。",
        "status": GenerationStatus.CLARIFYING,
    }


async def plan_skill(state: WorkflowState, run: Run) -> Update:
    """Let the chosen skill decide what is to be written, or answer."""
    intent, shop = state.intent, run.workshop
    assert intent is not None
    fetched = await shop.profiles.fetch(
        run.head.tenant_id,
        run.head.influencer,
        category=intent.slots.category or run.head.category,
        target_name=intent.slots.target_name,
    )
    context = SkillContext(
        query=state.request.query,
        resolved_query=state.resolved_query,
        intent=intent,
        conversation=run.conversation,
        session=run.head,
        request_product=state.request.product,
        profile=fetched.profile,
        parameters=state.request.parameters,
        request_id=state.request.request_id,
        seed=f"{state.request.key.session_id}:{state.request.request_id}",
        model=shop.model,
        deadline=run.deadline,
    )
    plan = await shop.skills.named(state.skill).plan(context)
    run.tokens_spent += plan.usage.total
    return {
        "product": context.product,
        "tasks": plan.tasks,
        "drafts": (None,) * len(plan.tasks),
        "reply": plan.reply,
        "warnings": (*state.warnings, *plan.warnings, *filter(None, (fetched.warning,))),
        "usage": state.usage + plan.usage,
        "status": None if plan.tasks else GenerationStatus.COMPLETED,
    }


async def generate_script(state: WorkflowState, run: Run) -> Update:
    """Write the first script that has no draft; each finished one is recorded before the next begins."""
    index = state.unwritten
    assert index is not None
    task = _in_its_place(state, index, run)
    written = await write_draft(run, task, index, run.workshop.writer, state.request.parameters)
    run.screened.pop(index, None)
    if written.screened is not None:
        run.screened[index] = written.screened
    return {
        "drafts": with_draft(state, index, written.draft),
        "attempts": state.attempts + written.attempts,
        "usage": state.usage + written.usage,
        "upstream_seconds": state.upstream_seconds + written.upstream_seconds,
        "warnings": state.warnings + written.warnings,
        "degraded": state.degraded or written.degraded,
    }


async def check_quality(state: WorkflowState, run: Run) -> Update:
    """Review every draft; what does not pass is retried, then repaired, then written by the last resort."""
    shop = run.workshop
    reviewed = [
        _reviewed(draft, task, run, run.screened.get(index))
        for index, (draft, task) in enumerate(zip(state.drafts, state.tasks, strict=True))
    ]
    failing = [index for index, draft in enumerate(reviewed) if not _passed(draft)]
    if failing and state.attempt < shop.limits.quality_max_retries:
        shop.observer.quality_retry()
        return {"drafts": tuple(reviewed), "retry": True}
    update: dict[str, Any] = {"retry": False}
    usage, warnings, degraded, attempts = state.usage, state.warnings, state.degraded, state.attempts
    for index in failing:
        draft, task = reviewed[index], state.tasks[index]
        repaired = _repaired(draft, task, run)
        if repaired is not None:
            run.emit(ScriptReset(index, ResetReason.QUALITY_RETRY, "repaired"))
            run.emit(ScriptDelta(index, repaired.text))
            reviewed[index] = repaired
            continue
        if shop.last_resort is None:
            continue
        run.emit(ScriptReset(index, ResetReason.QUALITY_RETRY, "written by the template writer"))
        again = _again(task, state.attempt + 1, _reasons(draft))
        written = await write_draft(run, again, index, shop.last_resort, state.request.parameters)
        reviewed[index] = _reviewed(written.draft, task, run)
        usage, attempts = usage + written.usage, attempts + written.attempts
        if not _passed(reviewed[index]):
            reviewed[index] = _kept_source(task, index, run)
    still_failing = [index for index, draft in enumerate(reviewed) if not _passed(draft)]
    if failing:
        degraded = True
        warnings = (*warnings, "部分话术没有通过质检，已改用修正稿或模板稿。")
    for index in still_failing:
        # Nothing that blocks is ever delivered, not even when every means has failed.
        run.emit(ScriptReset(index, ResetReason.QUALITY_RETRY, "withheld"))
        reviewed[index] = None
    delivered = tuple(draft for draft in reviewed if draft is not None)
    if not delivered:
        raise LLMUnavailableError("No script passed the review; please try again.", retry_after=1.0)
    for draft in delivered:
        assert draft.quality is not None
        run.emit(draft.quality)
        warnings += draft.warnings
    update |= {
        "drafts": tuple(reviewed),
        "usage": usage,
        "warnings": warnings,
        "degraded": degraded,
        "attempts": attempts,
        "status": GenerationStatus.DEGRADED if degraded else GenerationStatus.COMPLETED,
    }
    return update


async def regenerate(state: WorkflowState, run: Run) -> Update:
    """Void the drafts that did not pass and tell the writer why."""
    drafts, tasks = list(state.drafts), list(state.tasks)
    for index, draft in enumerate(state.drafts):
        if _passed(draft):
            continue
        reasons = _reasons(draft)
        run.emit(ScriptReset(index, ResetReason.QUALITY_RETRY, "；".join(reasons)[:200]))
        tasks[index] = _again(tasks[index], state.attempt + 1, reasons)
        drafts[index] = None
    return {"drafts": tuple(drafts), "tasks": tuple(tasks), "attempt": state.attempt + 1, "retry": False}


def next_stage(stage: Stage, state: WorkflowState) -> Stage | None:
    """The stage after `stage`, given the state it left; None when none is left."""
    if state.status is not None:
        return None
    straight = STAGES[stage].then
    if straight is not None:
        return straight
    if stage is Stage.INTENT_RECOGNIZING:
        if state.intent is not None and state.intent.missing_slots:
            return Stage.INTENT_CLARIFYING
        return Stage.PROFILE_FETCHING if state.skill == _STRAIGHT_SKILL else Stage.SKILL_EXECUTING
    assert stage is Stage.SCRIPT_GENERATING, "every other stage has one successor or ends the generation"
    return Stage.SCRIPT_GENERATING if state.unwritten is not None else Stage.QUALITY_CHECKING


class StageSpec(msgspec.Struct, frozen=True):
    """`durable` tells from the state it left whether the stage must be recorded before going on: whatever
    cost a model call. `then` is the only
    successor of a stage that did not end the generation, None where the state decides.
    """

    run: StageFunction
    durable: Callable[[WorkflowState], bool]
    then: Stage | None = None


def _never(_: WorkflowState) -> bool:
    return False


STAGES: Final[Mapping[Stage, StageSpec]] = {
    Stage.CONTEXT_LOADING: StageSpec(load_context, _never, Stage.INTENT_RECOGNIZING),
    Stage.INTENT_RECOGNIZING: StageSpec(
        recognize_intent, lambda state: state.intent is not None and state.intent.tier == "llm"
    ),
    Stage.INTENT_CLARIFYING: StageSpec(clarify, _never),
    Stage.SKILL_EXECUTING: StageSpec(plan_skill, _never, Stage.SCRIPT_GENERATING),
    Stage.PROFILE_FETCHING: StageSpec(plan_skill, _never, Stage.SCRIPT_GENERATING),
    Stage.SCRIPT_GENERATING: StageSpec(generate_script, lambda _: True),
    Stage.QUALITY_CHECKING: StageSpec(check_quality, _never, Stage.REGENERATING),
    Stage.REGENERATING: StageSpec(regenerate, _never, Stage.SCRIPT_GENERATING),
}


def _in_its_place(state: WorkflowState, index: int, run: Run) -> WritingTask:
    """The task, told what was said before and what the other scripts of the same request already say. The
    conversation can be read again at any time: it would be half of what a record holds.
    """
    task = state.tasks[index]
    siblings = tuple(draft.text for draft in state.drafts[:index] if draft is not None)
    return replace(
        task,
        avoid=(*task.avoid, *siblings)[-_MAX_AVOIDED:] if siblings else task.avoid,
        history=compressed(run.conversation, run.workshop.limits.history_token_budget),
    )


def _kept_source(task: WritingTask, index: int, run: Run) -> Draft | None:
    """An edit that no means could make lawful leaves the script as it was, if that is lawful itself."""
    if not task.source_text:
        return None
    kept = _reviewed(Draft(task.source_text, backend="", model=""), task, run)
    if not _passed(kept):
        return None
    run.emit(ScriptReset(index, ResetReason.QUALITY_RETRY, "这样改不合规，保留原稿。"))
    run.emit(ScriptDelta(index, task.source_text))
    return kept


def _again(task: WritingTask, attempt: int, reasons: tuple[str, ...]) -> WritingTask:
    """The same task for another attempt: the model is told why, the template writer makes other choices."""
    return replace(task, feedback=reasons, seed=f"{task.seed}#{attempt}")


def _reviewed(
    draft: Draft | None, task: WritingTask, run: Run, screened: Screened | None = None
) -> Draft | None:
    if draft is None:
        return None
    report = run.workshop.quality.review(draft.text, task, complete=draft.complete, screened=screened)
    return replace(draft, quality=report)


def _passed(draft: Draft | None) -> bool:
    return draft is not None and draft.quality is not None and draft.quality.passed


def _repaired(draft: Draft | None, task: WritingTask, run: Run) -> Draft | None:
    """The draft with its blocked spans replaced, if it passes then."""
    if draft is None or draft.quality is None or not draft.complete:
        return None
    text = run.workshop.quality.repair(draft.text, draft.quality.issues)
    if text == draft.text:
        return None
    exchanged = [issue for issue in draft.quality.issues if issue.replacement is not None]
    warnings = (*draft.warnings, *repair_warnings(exchanged))
    repaired = _reviewed(replace(draft, text=text, warnings=warnings), task, run)
    return repaired if _passed(repaired) else None


def _reasons(draft: Draft | None) -> tuple[str, ...]:
    """Why a draft did not pass, as the next attempt is told."""
    if draft is None or draft.quality is None:
        return ("没有写完整",)
    blocking = (issue for issue in draft.quality.issues if issue.severity is Severity.BLOCK)
    return tuple(dict.fromkeys((*draft.notes, *map(feedback_line, blocking))))
