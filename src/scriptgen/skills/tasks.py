"""Builds a writing task from a skill's context: what all built-in skills fill in alike."""

from __future__ import annotations

from typing import Final

from scriptgen.domain.scenes import scene_for, target_characters
from scriptgen.domain.session import Script
from scriptgen.domain.writing import TaskKind, WritingTask

from .protocol import SkillContext
from .versions import scripts_of

MAX_AVOIDED: Final = 5


def task_for(context: SkillContext, kind: TaskKind, *, source: Script | None = None) -> WritingTask:
    """A task of `kind` with everything the request, the session and the profile say. The history is left to
    the workflow, which knows the token budget.
    """
    slots = context.intent.slots
    influencer = context.session.influencer
    own_audience = not slots.target_name or slots.target_name == influencer.name
    return WritingTask(
        kind=kind,
        instruction=_instruction(context, source),
        category=category_of(context, source),
        scenario=slots.scenario or (source.scenario if source else ""),
        sub_scenario=slots.sub_scenario or (source.sub_scenario if source else ""),
        event=slots.event,
        styles=slots.styles,
        product=context.product,
        influencer_name=slots.target_name or influencer.name,
        audience=influencer.audience if own_audience else "",
        profile=context.profile,
        source_text=source.content if source else "",
        forbidden_terms=context.forbidden_terms,
        seed=context.seed,
    )


def _instruction(context: SkillContext, source: Script | None) -> str:
    """What the writer is told to do. A new script needs what was inherited; for a change the inherited slots
    would read like wishes, and the script they explain is at hand.
    """
    if source is None:
        return context.resolved_query or context.query
    pending = context.conversation.pending
    if pending and context.intent.continuation and pending.query not in context.query:
        return f"{pending.query}，{context.query}"
    return context.query


def category_of(context: SkillContext, source: Script | None = None) -> str:
    return (
        context.intent.slots.category
        or (source.category if source else "")
        or context.session.category
        or context.conversation.category
    )


def new_length(context: SkillContext, sub_scenario: str) -> int:
    """Characters of a new script: the caller's parameter, else what was asked for, else the scene's own."""
    if context.parameters.target_characters:
        return context.parameters.target_characters
    slots = context.intent.slots
    return target_characters(slots.length, scene_for(sub_scenario, slots.scenario))


def asked_length(context: SkillContext) -> int:
    """Characters that this very request asks a rewritten script to have; 0 when it says nothing."""
    if context.parameters.target_characters:
        return context.parameters.target_characters
    slots = context.intent.slots
    if not slots.length or slots.length not in context.query:
        return 0  # inherited from the turn that wrote the source: not a wish of this one
    return target_characters(slots.length, scene_for(slots.sub_scenario, slots.scenario))


def earlier_versions(context: SkillContext) -> list[Script]:
    """Scripts of the history about this turn's product, oldest first."""
    name = context.product.name
    return [
        script
        for script in scripts_of(context)
        if not script.product_name or not name or script.product_name in name or name in script.product_name
    ]
