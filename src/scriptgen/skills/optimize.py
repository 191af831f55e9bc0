"""Makes an earlier script better in the asked direction, its facts kept."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind

from .protocol import SkillContext
from .tasks import asked_length, task_for
from .versions import source_script


class OptimizeSkill(msgspec.Struct, frozen=True):
    name: str = "optimize"
    display_name: str = "润色话术"
    description: str = "让已有话术更口语、更有感染力、更紧凑或更专业，事实和价格不动。"
    intents: tuple[IntentType, ...] = (IntentType.SCRIPT_OPTIMIZATION,)
    required_slots: tuple[str, ...] = ("source_script",)

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        task = task_for(context, TaskKind.OPTIMIZE, source=source_script(context))
        return SkillPlan(tasks=(replace(task, target_characters=asked_length(context)),))
