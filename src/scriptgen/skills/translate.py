"""Puts an earlier script into another style, form, dialect or language."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind

from .protocol import SkillContext
from .tasks import asked_length, task_for
from .versions import source_script

#: Languages that only a model can write.
_FOREIGN_LANGUAGE: Final = re.compile(
    r"英[文语]|日[文语]|韩[文语]|法[文语]|德[文语]|俄[文语]|泰[文语]|越南[文语]|西班牙[文语]|印尼[文语]|马来[文语]|阿拉伯[文语]|葡萄牙[文语]"
)


class TranslateSkill(msgspec.Struct, frozen=True):
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
        task = replace(task, target_characters=asked_length(context))
        foreign = _FOREIGN_LANGUAGE.search(context.query)
        if foreign and not (context.model and context.model.has_model):
            return SkillPlan(tasks=(task,), warnings=(f"没有接入模型，翻不了{foreign[0]}，这一版保留原文。",))
        return SkillPlan(tasks=(task,))
