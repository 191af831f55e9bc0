"""References, inheritance and clarifications over turns whose intents and scripts are known."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scriptgen.agents.intent import IntentAgent
from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Intent, PendingRequest, Slots
from scriptgen.domain.session import Product, Script
from scriptgen.domain.vocabulary import GenerationStatus, IntentType


@pytest.fixture
def agent() -> IntentAgent:
    return IntentAgent(llm_threshold=0.0, clarify_threshold=0.0)


def turn(index: int, query: str, slots: Slots, *versions: int) -> HistoryTurn:
    scripts = tuple(
        Script(script_id=f"s{v}", content=f"第{v}稿", turn_index=index, version=v) for v in versions
    )
    return HistoryTurn(
        index, query, "话术", Intent(IntentType.SCRIPT_GENERATION, 0.9, slots), scripts=scripts
    )


LIPSTICK = Slots(
    category="美妆", product_name="口红", sub_scenario="开场话术", selling_points=("显白",), price="99"
)
BROW = Slots(category="美妆", product_name="眉笔", sub_scenario="逼单话术")
TWO = ConversationContext(
    history=(turn(7, "口红开场", LIPSTICK, 1, 2), turn(9, "眉笔逼单", BROW, 3)),
)


async def ask(agent: IntentAgent, query: str, context: ConversationContext) -> Intent:
    return (await agent.recognize(query, context)).intent


async def test_a_version_is_counted_over_all_scripts_of_the_session(agent: IntentAgent) -> None:
    intent = await ask(agent, "第二版缩短一点", TWO)
    assert (intent.refers_to_turn, intent.slots.product_name) == (7, "口红")


async def test_a_script_is_meant_by_its_product_and_not_by_being_the_latest(agent: IntentAgent) -> None:
    assert (await ask(agent, "口红那段改活泼一点", TWO)).refers_to_turn == 7


async def test_the_latest_script_is_meant_when_nothing_is_said(agent: IntentAgent) -> None:
    assert (await ask(agent, "缩短", TWO)).refers_to_turn == 9


async def test_a_version_that_does_not_exist_is_asked_about(agent: IntentAgent) -> None:
    intent = await ask(agent, "第八版改短", TWO)
    assert (intent.refers_to_turn, intent.missing_slots) == (None, ("script",))
    question = agent.clarification(intent, TWO)
    assert "第3版" in question.question
    answered = await ask(agent, question.options[0], TWO)
    assert (answered.refers_to_turn, answered.missing_slots) == (7, ())


async def test_a_switch_drops_selling_points_and_price_and_keeps_the_scene(agent: IntentAgent) -> None:
    context = ConversationContext(history=(turn(0, "口红开场", LIPSTICK, 1),))
    intent = await ask(agent, "换成螺蛳粉再写一段", context)
    assert intent.product_switched
    assert intent.slots == Slots(category="食品", product_name="螺蛳粉", sub_scenario="开场话术")


async def test_another_product_than_the_sessions_is_a_switch(agent: IntentAgent) -> None:
    context = ConversationContext(product=Product(name="桃桃唇釉"))
    assert (await ask(agent, "写一段羽绒服的开场", context)).product_switched
    assert not (await ask(agent, "写一段唇釉的开场", context)).product_switched


async def test_the_sessions_product_answers_what_is_sold_without_becoming_a_slot(agent: IntentAgent) -> None:
    intent = await ask(agent, "写个逼单", ConversationContext(product=Product(name="桃桃唇釉")))
    assert (intent.missing_slots, intent.slots.product_name) == ((), "")


async def test_a_continuation_is_marked(agent: IntentAgent) -> None:
    assert (await ask(agent, "再来一段", TWO)).continuation
    assert not (await ask(agent, "缩短", TWO)).continuation


async def test_a_turn_that_was_cancelled_left_no_script_to_act_on(agent: IntentAgent) -> None:
    cancelled = replace(turn(0, "口红开场", LIPSTICK), status=GenerationStatus.CANCELLED)
    intent = await ask(agent, "缩短", ConversationContext(history=(cancelled,)))
    assert intent.missing_slots == ("script",)


async def test_compressed_history_still_has_a_script(agent: IntentAgent) -> None:
    context = ConversationContext(slots=LIPSTICK, summary="写过口红的开场")
    intent = await ask(agent, "再活泼一点", context)
    assert (intent.missing_slots, intent.slots.product_name) == ((), "口红")


async def test_a_pasted_script_is_handed_on_as_source(agent: IntentAgent) -> None:
    script = "姐妹们晚上好，今天这支口红真的显白，喜欢的扣1"
    intent = await ask(agent, f"帮我润色一下：{script}", ConversationContext())
    assert (intent.source_text, intent.missing_slots) == (script, ())


async def test_a_script_far_behind_the_first_characters_is_handed_on_whole(agent: IntentAgent) -> None:
    script = "姐妹们晚上好，" + "今天这支口红真的很显白，" * 300
    intent = await ask(agent, f"改得口语一点：{script[:3900]}", ConversationContext())
    assert intent.type is IntentType.SCRIPT_OPTIMIZATION
    assert intent.source_text == script[:3900]


@pytest.mark.parametrize(
    "query", ["写个逼单", "来段话术", "全套来一份", "给我三版短视频", "润色一下", "翻成英文", "把开头换一下"]
)
async def test_every_option_of_a_question_completes_the_request(agent: IntentAgent, query: str) -> None:
    first = await ask(agent, query, ConversationContext())
    question = agent.clarification(first, ConversationContext())
    assert question.question.endswith("？")
    assert question.missing_slots == first.missing_slots
    pending = ConversationContext(pending=PendingRequest(0, query, first))
    for option in question.options:
        answered = await ask(agent, option, pending)
        assert answered.missing_slots == (), option
        if "product_name" in first.missing_slots:
            assert (answered.type, answered.refers_to_turn) == (first.type, 0)
            assert answered.slots.sub_scenario == first.slots.sub_scenario


async def test_an_answer_that_leaves_it_open_is_asked_again(agent: IntentAgent) -> None:
    first = await ask(agent, "写个逼单", ConversationContext())
    context = ConversationContext(pending=PendingRequest(3, "写个逼单", first))
    again = await ask(agent, "都行你看着写", context)
    assert (again.type, again.refers_to_turn, again.missing_slots) == (first.type, 3, first.missing_slots)


async def test_small_talk_in_between_does_not_answer_a_question(agent: IntentAgent) -> None:
    first = await ask(agent, "写个逼单", ConversationContext())
    context = ConversationContext(pending=PendingRequest(0, "写个逼单", first))
    assert (await ask(agent, "在吗", context)).type is IntentType.OTHER
    assert (await ask(agent, "逼单一般多长", context)).type is IntentType.QUERY


async def test_an_unknown_product_answers_a_question_too(agent: IntentAgent) -> None:
    first = await ask(agent, "写个逼单", ConversationContext())
    context = ConversationContext(pending=PendingRequest(0, "写个逼单", first))
    intent = await ask(agent, "卖飞天小魔盒的", context)
    assert (intent.slots.product_name, intent.missing_slots) == ("飞天小魔盒", ())


async def test_the_query_is_rewritten_to_stand_alone(agent: IntentAgent) -> None:
    slots = Slots(category="食品", product_name="螺蛳粉", scenario="直播带货", sub_scenario="逼单话术")
    context = ConversationContext(history=(turn(0, "螺蛳粉直播逼单", slots, 1),))
    understood = await agent.recognize("再来一段", context)
    assert understood.resolved_query == "再来一段：螺蛳粉，直播带货，逼单话术"
    assert (await agent.recognize("在吗", context)).resolved_query == "在吗"
