"""Puts an earlier script into another style, form, dialect or language."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind

from .protocol import SkillContext
from .tasks import asked_length, task_for
from .versions import source_script


@dataclass(frozen=True, slots=True)
class TranslateSkill:
    name: str = "translate"
    display_name: str = "转换话术"
    description: str = "把已有话术换成另一种风格、体裁、方言、语言，或换成另一位主播的口吻。"
    intents: tuple[IntentType, ...] = (IntentType.SCRIPT_TRANSLATION,)
    required_slots: tuple[str, ...] = ("source_script",)

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        task = task_for(context, TaskKind.TRANSLATE, source=source_script(context))
        return SkillPlan(tasks=(replace(task, target_characters=asked_length(context)),))
