from __future__ import annotations

from scriptgen.domain.intent import Slots
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import SUB_SCENARIOS, IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind
from scriptgen.skills.batch import BatchSkill

from .contexts import context, script

OPENING = script(1, "姐妹们晚上好，今天看唇釉。", 0)


async def plan(query: str, slots: Slots, **options: object) -> SkillPlan:
    return await BatchSkill().plan(context(IntentType.BATCH_GENERATION, query, slots=slots, **options))  # type: ignore[arg-type]


async def test_the_full_set_is_all_scenes_once() -> None:
    found = await plan("全套来一份", Slots())
    assert [task.sub_scenario for task in found.tasks] == list(SUB_SCENARIOS)
    assert len({task.seed for task in found.tasks}) == 8
    assert found.warnings == ()
    assert "8条" in found.reply


async def test_several_versions_of_one_scene() -> None:
    found = await plan("一次给我5版开场", Slots(sub_scenario="开场话术", extra={"batch_count": "5"}))
    assert [task.sub_scenario for task in found.tasks] == ["开场话术"] * 5
    assert len({task.instruction for task in found.tasks}) == 5


async def test_scenes_times_versions() -> None:
    extra = {"batch_sub_scenarios": "促销话术、逼单话术", "batch_count": "3"}
    found = await plan("促销和逼单各写3条", Slots(event="618大促", extra=extra))
    assert [task.sub_scenario for task in found.tasks] == ["促销话术"] * 3 + ["逼单话术"] * 3
    assert {task.event for task in found.tasks} == {"618大促"}


async def test_several_products_get_one_script_each_without_the_others_facts() -> None:
    extra = {"batch_products": "牙刷、牙膏、漱口水", "batch_count": "三"}
    found = await plan(
        "牙刷、牙膏、漱口水三个品，来一段产品介绍", Slots(sub_scenario="产品介绍", extra=extra)
    )
    assert [task.product for task in found.tasks] == [
        Product(name="牙刷"),
        Product(name="牙膏"),
        Product(name="漱口水"),
    ]


async def test_products_times_scenes() -> None:
    extra = {"batch_products": "牙刷、牙膏", "batch_sub_scenarios": "开场话术、下播话术"}
    found = await plan("两个品的开场和下播", Slots(extra=extra))
    assert [(t.product.name, t.sub_scenario) for t in found.tasks] == [
        ("牙刷", "开场话术"),
        ("牙刷", "下播话术"),
        ("牙膏", "开场话术"),
        ("牙膏", "下播话术"),
    ]


async def test_several_events() -> None:
    found = await plan(
        "618和双十一各来一段", Slots(sub_scenario="促销话术", extra={"batch_events": "618大促、双十一"})
    )
    assert [task.event for task in found.tasks] == ["618大促", "双十一"]


async def test_more_than_ten_are_cut_with_a_warning() -> None:
    found = await plan(
        "每个环节3版", Slots(extra={"batch_sub_scenarios": "、".join(SUB_SCENARIOS), "batch_count": "3"})
    )
    assert len(found.tasks) == 10
    assert len(found.warnings) == 1
    assert "24条" in found.warnings[0]


async def test_an_absurd_number_does_no_harm() -> None:
    found = await plan("来99999999版开场", Slots(sub_scenario="开场话术", extra={"batch_count": "99999999"}))
    assert len(found.tasks) == 10


async def test_more_versions_of_an_earlier_script_avoid_it() -> None:
    found = await plan(
        "再给三个版本挑挑",
        Slots(sub_scenario="开场话术", extra={"batch_count": "3"}),
        turns=[[OPENING]],
        refers_to_turn=0,
    )
    assert len(found.tasks) == 3
    assert all(OPENING.content in (*task.avoid, task.source_text) for task in found.tasks)


async def test_every_scene_has_its_own_length() -> None:
    found = await plan("全套", Slots())
    assert len({task.target_characters for task in found.tasks}) > 1


async def test_another_scene_than_the_earlier_scripts_is_no_continuation_of_it() -> None:
    extra = {"batch_sub_scenarios": "开场话术、逼单话术"}
    found = await plan(
        "开场、逼单各来一段", Slots(extra=extra), turns=[[OPENING]], continuation=True, refers_to_turn=0
    )
    assert [task.kind for task in found.tasks] == [TaskKind.CONTINUE, TaskKind.COMPOSE]
    assert found.tasks[1].source_text == ""
    assert found.tasks[1].avoid == (OPENING.content,)


async def test_more_versions_keep_the_scene_of_the_script_meant() -> None:
    found = await plan(
        "再给三个版本",
        Slots(extra={"batch_count": "3"}),
        turns=[[OPENING]],
        continuation=True,
        refers_to_turn=0,
    )
    assert [task.sub_scenario for task in found.tasks] == ["开场话术"] * 3
