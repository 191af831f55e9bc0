from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan
from scriptgen.skills.protocol import SkillContext
from scriptgen.skills.registry import ENTRY_POINT_GROUP, SkillRegistry, builtin_skills

HERE = __name__


class PunSkill:
    name = "pun"
    display_name = "谐音梗"
    description = "给话术加谐音梗。"
    intents = (IntentType.SCRIPT_OPTIMIZATION,)
    required_slots = ("source_script",)

    def claims(self, intent: Intent, query: str) -> bool:
        return "谐音" in query

    async def plan(self, context: SkillContext) -> SkillPlan:
        return SkillPlan(reply="谐音梗扣钱。")


class NamelessSkill(PunSkill):
    name = ""


class TakenSkill(PunSkill):
    name = "generate"


class ExplodingSkill(PunSkill):
    def __init__(self) -> None:
        raise RuntimeError("no licence")


def entry(name: str, attribute: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"{HERE}:{attribute}", group=ENTRY_POINT_GROUP)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (IntentType.SCRIPT_GENERATION, "generate"),
        (IntentType.SCRIPT_MODIFICATION, "modify"),
        (IntentType.SCRIPT_OPTIMIZATION, "optimize"),
        (IntentType.SCRIPT_TRANSLATION, "translate"),
        (IntentType.BATCH_GENERATION, "batch"),
        (IntentType.QUERY, "answer"),
        (IntentType.OTHER, "answer"),
    ],
)
def test_every_intent_has_its_built_in_skill(kind: IntentType, name: str) -> None:
    registry = SkillRegistry.default(found=())
    assert registry.select(Intent(kind, 0.9), "随便一句").name == name
    assert registry.named(name).name == name


def test_a_third_party_skill_is_asked_first_and_may_pass() -> None:
    registry = SkillRegistry.default(found=[entry("pun", "PunSkill")])
    wish = Intent(IntentType.SCRIPT_OPTIMIZATION, 0.9)
    assert registry.select(wish, "加点谐音梗").name == "pun"
    assert registry.select(wish, "更口语一点").name == "optimize"
    assert registry.select(Intent(IntentType.QUERY, 0.9), "谐音梗是什么").name == "answer"


@pytest.mark.parametrize("attribute", ["Missing", "NamelessSkill", "TakenSkill", "ExplodingSkill", "HERE"])
def test_a_broken_third_party_skill_is_reported_and_left_out(attribute: str) -> None:
    registry = SkillRegistry.default(found=[entry("broken", attribute), entry("pun", "PunSkill")])
    assert [skill.name for skill in registry.describe()][:2] == ["pun", "generate"]
    assert len(registry.problems) == 1
    assert "broken" in registry.problems[0]


def test_the_built_in_skills_describe_themselves() -> None:
    for skill in SkillRegistry.default(found=()).describe():
        assert skill.name
        assert skill.display_name
        assert skill.description.endswith("。")
        assert skill.intents


def test_two_skills_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="generate"):
        SkillRegistry((*builtin_skills(), *builtin_skills()))


def test_an_unknown_name_or_intent_is_an_error() -> None:
    registry = SkillRegistry(())
    with pytest.raises(LookupError):
        registry.named("generate")
    with pytest.raises(LookupError):
        registry.select(Intent(IntentType.QUERY, 1.0), "问")
