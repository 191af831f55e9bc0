"""Writes a new script, or another one after an earlier (再来一段)."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind, WritingTask

from .protocol import SkillContext
from .tasks import MAX_AVOIDED, earlier_versions, new_length, task_for


class GenerateSkill(msgspec.Struct, frozen=True):
    name: str = "generate"
    display_name: str = "写话术"
    description: str = "按品类、商品、环节和主播风格写一段能直接念的话术；说“再来一段”就换个开头再写一版。"
    intents: tuple[IntentType, ...] = (IntentType.SCRIPT_GENERATION,)
    required_slots: tuple[str, ...] = ("category",)

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        return SkillPlan(tasks=(new_script(context),))


def new_script(context: SkillContext) -> WritingTask:
    """One new script. A continuation has the script it goes on from as its source, unless it asks for another
    scene: then it is a new script that avoids what was said.
    """
    intent = context.intent
    earlier = [] if intent.product_switched else earlier_versions(context)
    referred = [s for s in earlier if s.turn_index == intent.refers_to_turn] or earlier
    task = task_for(context, TaskKind.COMPOSE)
    if intent.continuation and referred:
        same_scene = [s for s in referred if s.sub_scenario == task.sub_scenario]
        previous = (same_scene or referred)[-1]
        # One of a whole set says nothing about the scene of the next: it was only the last of several.
        scenes = {script.sub_scenario for script in referred if script.turn_index == previous.turn_index}
        task = replace(
            task,
            sub_scenario=task.sub_scenario or (previous.sub_scenario if len(scenes) == 1 else ""),
            scenario=task.scenario or previous.scenario,
        )
        if task.sub_scenario == previous.sub_scenario:
            task = replace(task, kind=TaskKind.CONTINUE, source_text=previous.content)
            earlier = [script for script in earlier if script.script_id != previous.script_id]
    return replace(
        task,
        avoid=tuple(script.content for script in earlier[-MAX_AVOIDED:]),
        target_characters=new_length(context, task.sub_scenario),
    )
