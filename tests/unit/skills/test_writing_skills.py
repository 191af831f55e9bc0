from __future__ import annotations

import pytest
from msgspec.structs import replace

from scriptgen.domain.errors import FailedPreconditionError
from scriptgen.domain.generation import GenerationParameters
from scriptgen.domain.intent import Intent, PendingRequest, Slots
from scriptgen.domain.scenes import scene_for
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.skills.generate import GenerateSkill
from scriptgen.skills.modify import ModifySkill, literal_edit
from scriptgen.skills.optimize import OptimizeSkill
from scriptgen.skills.protocol import Skill, SkillContext
from scriptgen.skills.translate import TranslateSkill

from .contexts import context, script

FIRST = script(1, "姐妹们晚上好，今天看唇釉。", 0)
SECOND = script(2, "下班啦，来看看这支唇釉。", 1)
BATCH = (script(3, "促销的话。", 2, scene="促销话术"), script(4, "逼单的话。", 2, scene="逼单话术"))
TURNS = ((FIRST,), (SECOND,))


async def only_task(skill: Skill, ctx: SkillContext) -> WritingTask:
    plan = await skill.plan(ctx)
    assert len(plan.tasks) == 1
    return plan.tasks[0]


async def test_a_new_script_is_composed_from_what_session_and_request_say() -> None:
    slots = Slots(sub_scenario="促销话术", event="618大促", styles=("激情",), length="30秒")
    task = await only_task(GenerateSkill(), context(IntentType.SCRIPT_GENERATION, "写段促销", slots=slots))
    assert task.kind is TaskKind.COMPOSE
    assert (task.category, task.sub_scenario, task.event, task.styles) == (
        "美妆",
        "促销话术",
        "618大促",
        ("激情",),
    )
    assert (task.influencer_name, task.audience) == ("林小满", "上班族")
    assert task.product.name == "桃桃唇釉"
    assert task.target_characters == 135
    assert task.seed == "seed-1"


async def test_a_named_target_is_another_person_with_another_audience() -> None:
    slots = Slots(target_name="朵朵姐")
    task = await only_task(GenerateSkill(), context(IntentType.SCRIPT_GENERATION, "给朵朵姐写", slots=slots))
    assert (task.influencer_name, task.audience) == ("朵朵姐", "")


async def test_the_callers_length_outranks_the_typed_one() -> None:
    ctx = context(IntentType.SCRIPT_GENERATION, "写200字", slots=Slots(length="200字"))
    assert (await only_task(GenerateSkill(), ctx)).target_characters == 200
    ctx = replace(ctx, parameters=GenerationParameters(target_characters=88))
    assert (await only_task(GenerateSkill(), ctx)).target_characters == 88


async def test_a_continuation_goes_on_from_the_script_meant_and_avoids_the_others() -> None:
    ctx = context(IntentType.SCRIPT_GENERATION, "再来一段", turns=TURNS, continuation=True, refers_to_turn=0)
    task = await only_task(GenerateSkill(), ctx)
    assert task.kind is TaskKind.CONTINUE
    assert task.source_text == FIRST.content
    assert task.avoid == (SECOND.content,)
    assert task.sub_scenario == "开场话术"


async def test_at_most_five_versions_are_avoided_and_they_are_the_newest() -> None:
    turns = [[script(n, f"第{n}版。", n)] for n in range(8)]
    task = await only_task(GenerateSkill(), context(IntentType.SCRIPT_GENERATION, "写一段", turns=turns))
    assert task.avoid == ("第3版。", "第4版。", "第5版。", "第6版。", "第7版。")


async def test_scripts_of_another_product_are_not_avoided() -> None:
    other = script(1, "螺蛳粉真香。", 0, product="螺蛳粉")
    task = await only_task(
        GenerateSkill(), context(IntentType.SCRIPT_GENERATION, "写一段", turns=[[other], [SECOND]])
    )
    assert task.avoid == (SECOND.content,)


async def test_a_product_switch_starts_afresh() -> None:
    ctx = context(
        IntentType.SCRIPT_GENERATION,
        "换成面霜再来一段",
        slots=Slots(product_name="面霜"),
        turns=TURNS,
        continuation=True,
        product_switched=True,
    )
    task = await only_task(GenerateSkill(), ctx)
    assert task.kind is TaskKind.COMPOSE
    assert task.product == Product(name="面霜")
    assert "桃桃唇釉" in task.forbidden_terms
    assert task.avoid == ()


REWRITES = (
    (ModifySkill(), IntentType.SCRIPT_MODIFICATION, TaskKind.MODIFY),
    (OptimizeSkill(), IntentType.SCRIPT_OPTIMIZATION, TaskKind.OPTIMIZE),
    (TranslateSkill(), IntentType.SCRIPT_TRANSLATION, TaskKind.TRANSLATE),
)


@pytest.mark.parametrize(("skill", "kind", "task_kind"), REWRITES)
async def test_a_rewrite_works_on_the_newest_script_by_default(
    skill: Skill, kind: IntentType, task_kind: TaskKind
) -> None:
    task = await only_task(skill, context(kind, "改一下", turns=TURNS))
    assert (task.kind, task.source_text) == (task_kind, SECOND.content)
    assert task.target_characters == 0


@pytest.mark.parametrize(("skill", "kind", "task_kind"), REWRITES)
async def test_a_rewrite_needs_a_script(skill: Skill, kind: IntentType, task_kind: TaskKind) -> None:
    with pytest.raises(FailedPreconditionError) as caught:
        await skill.plan(context(kind, "改一下"))
    assert caught.value.reason == "NO_SCRIPT"


@pytest.mark.parametrize(
    ("query", "refers_to", "slots", "wanted"),
    [
        ("第一版的开头换一下", None, Slots(), FIRST.content),
        ("第2版短一点", None, Slots(), SECOND.content),
        ("刚开始那段改一下", 0, Slots(), FIRST.content),
        ("第二条改一下", 2, Slots(), "逼单的话。"),
        ("第3版改一下", 2, Slots(), "促销的话。"),
        ("促销那条改一下", 2, Slots(sub_scenario="促销话术"), "促销的话。"),
        ("改一下", 2, Slots(), "逼单的话。"),
        ("第九版改一下", None, Slots(), "逼单的话。"),
    ],
)
async def test_the_right_version_is_changed(
    query: str, refers_to: int | None, slots: Slots, wanted: str
) -> None:
    ctx = context(
        IntentType.SCRIPT_MODIFICATION, query, slots=slots, turns=(*TURNS, BATCH), refers_to_turn=refers_to
    )
    assert (await only_task(ModifySkill(), ctx)).source_text == wanted


async def test_a_pasted_script_outranks_every_version() -> None:
    ctx = context(
        IntentType.SCRIPT_OPTIMIZATION,
        "润色：贴进来的稿。",
        turns=TURNS,
        refers_to_turn=0,
        source_text="贴进来的稿。",
    )
    assert (await only_task(OptimizeSkill(), ctx)).source_text == "贴进来的稿。"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("把“姐妹们”改成“家人们”", "家人们好，家人们看。"),
        ("这段里的「姐妹们」全部换成「宝子们」", "宝子们好，宝子们看。"),
        ("把“好”都替换为“晚上好”，“看”改成“看这里”", "姐妹们晚上好，姐妹们看这里。"),
        ("把姐妹们改成家人们", ""),
        ("把“哥哥们”改成“家人们”", ""),
        ("把“姐妹们”去掉", ""),
    ],
)
def test_a_quoted_replacement_is_done_exactly(query: str, wanted: str) -> None:
    assert literal_edit(query, "姐妹们好，姐妹们看。") == wanted


async def test_a_quoted_replacement_needs_no_writer() -> None:
    ctx = context(IntentType.SCRIPT_MODIFICATION, "把“唇釉”改成“口红”", turns=TURNS)
    assert (await only_task(ModifySkill(), ctx)).fixed_text == SECOND.content.replace("唇釉", "口红")


@pytest.mark.parametrize(
    ("query", "wanted"), [("缩短到50字", 50), ("太长了砍一半", 6), ("第三段砍一半", 0), ("结尾改一下", 0)]
)
async def test_a_modification_has_the_length_it_asks_for(query: str, wanted: int) -> None:
    slots = Slots(length="50字")  # also when it was inherited from an earlier turn
    task = await only_task(
        ModifySkill(), context(IntentType.SCRIPT_MODIFICATION, query, slots=slots, turns=TURNS)
    )
    assert task.target_characters == wanted


async def test_changing_the_products_name_forbids_the_old_one() -> None:
    noodles = script(1, "这碗螺蛳粉真香。", 0, product="螺蛳粉")
    ctx = context(
        IntentType.SCRIPT_MODIFICATION,
        "产品名换成酸辣粉",
        slots=Slots(category="食品", product_name="酸辣粉"),
        turns=[[noodles]],
        product=Product(),
        product_switched=True,
    )
    task = await only_task(ModifySkill(), ctx)
    assert task.product.name == "酸辣粉"
    assert task.forbidden_terms == ("螺蛳粉",)


async def test_a_rewrite_keeps_its_sources_scene_unless_another_is_named() -> None:
    ctx = context(
        IntentType.SCRIPT_TRANSLATION, "整个小红书版", slots=Slots(scenario="种草文案"), turns=TURNS
    )
    task = await only_task(TranslateSkill(), ctx)
    assert (task.scenario, task.sub_scenario) == ("种草文案", "开场话术")


async def test_a_scene_has_its_own_length() -> None:
    ctx = context(IntentType.SCRIPT_GENERATION, "写开场", slots=Slots(sub_scenario="开场话术"))
    assert (await only_task(GenerateSkill(), ctx)).target_characters == scene_for(
        "开场话术"
    ).default_characters


async def test_a_continuation_with_another_scene_is_a_new_script() -> None:
    ctx = context(
        IntentType.SCRIPT_GENERATION,
        "再来段逼单",
        slots=Slots(sub_scenario="逼单话术"),
        turns=TURNS,
        continuation=True,
    )
    task = await only_task(GenerateSkill(), ctx)
    assert task.kind is TaskKind.COMPOSE
    assert task.avoid == (FIRST.content, SECOND.content)


async def test_a_quoted_word_that_is_not_there_is_said() -> None:
    plan = await ModifySkill().plan(
        context(IntentType.SCRIPT_MODIFICATION, "把“哥哥们”改成“家人们”", turns=TURNS)
    )
    assert len(plan.warnings) == 1
    assert "哥哥们" in plan.warnings[0]


async def test_inherited_slots_are_no_part_of_what_to_change() -> None:
    ctx = replace(
        context(IntentType.SCRIPT_MODIFICATION, "结尾换一下", turns=TURNS),
        resolved_query="结尾换一下：桃桃唇釉，30秒，指第2轮的话术",
    )
    assert (await only_task(ModifySkill(), ctx)).instruction == "结尾换一下"


async def test_the_answer_to_a_question_completes_the_change_asked_for_before() -> None:
    ctx = context(
        IntentType.SCRIPT_OPTIMIZATION, "贴进来的稿。", continuation=True, source_text="贴进来的稿。"
    )
    pending = PendingRequest(0, "帮我润色一下", Intent(IntentType.SCRIPT_OPTIMIZATION, 0.9))
    ctx = replace(ctx, conversation=replace(ctx.conversation, pending=pending))
    assert (await only_task(OptimizeSkill(), ctx)).instruction == "帮我润色一下，贴进来的稿。"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("把主播名字改成朵朵姐", "我是朵朵姐，这支唇釉真显白。"),
        ("主播换成朵朵姐", "我是朵朵姐，这支唇釉真显白。"),
        ("主播名字改成朵朵姐，再短一点", ""),  # more is asked than the name
        ("换成朵朵姐的口吻", ""),
    ],
)
async def test_a_host_is_renamed_exactly_and_needs_no_writer(query: str, wanted: str) -> None:
    spoken = script(1, "我是林小满，这支唇釉真显白。", 0)
    slots = Slots(target_name="朵朵姐")
    ctx = context(IntentType.SCRIPT_MODIFICATION, query, slots=slots, turns=[[spoken]])
    assert (await only_task(ModifySkill(), ctx)).fixed_text == wanted
