"""A conversation from end to end, as an operator leads it."""

from __future__ import annotations

from scriptgen.v1 import generate_pb2, session_pb2, types_pb2

from .live import Live, assert_whole

COMPLETED = types_pb2.GENERATION_STATUS_COMPLETED


async def test_a_conversation_works_from_the_first_script_to_the_answered_question(service: Live) -> None:
    session = await service.session()

    first = assert_whole(await service.stream(session, "写一段直播带货的产品介绍"))
    assert first.status == COMPLETED
    assert "唇釉" in first.scripts[0].content
    assert len(first.scripts[0].content) >= 120

    again = await service.generate(session, "再来一段")
    assert again.intent.continuation
    assert again.scripts[0].content != first.scripts[0].content

    greeting = await service.generate(session, "把开头换成问候语")
    assert greeting.intent.type == types_pb2.INTENT_TYPE_SCRIPT_MODIFICATION
    body = again.scripts[0].content.split("。")[-2]
    assert body in greeting.scripts[0].content, "the rest stays as it was"
    assert greeting.scripts[0].content != again.scripts[0].content

    switched = await service.generate(session, "换成曲奇饼干，重新写一段")
    assert "曲奇" in switched.scripts[0].content
    for old in ("唇釉", "显白", "不沾杯", "59.9"):
        assert old not in switched.scripts[0].content

    batch = await service.generate(session, "开场、逼单、下播各来一段")
    assert [script.sub_scenario for script in batch.scripts] == ["开场话术", "逼单话术", "下播话术"]

    chat = await service.generate(session, "今天天气真好")
    assert not chat.scripts
    assert chat.reply
    assert chat.status == COMPLETED

    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert [turn.turn_index for turn in stored.turns] == list(range(6))
    assert [script.version for script in stored.scripts] == list(range(1, len(stored.scripts) + 1))
    assert stored.product.name == "曲奇饼干"


async def test_a_request_that_lacks_everything_is_asked_back_and_the_answer_completes_it(
    service: Live,
) -> None:
    session = await service.blank_session()
    asked = assert_whole(await service.stream(session, "写个逼单"))
    assert asked.status == types_pb2.GENERATION_STATUS_CLARIFYING
    assert asked.clarification.question
    assert list(asked.intent.missing_slots)
    assert not asked.scripts

    answered = await service.generate(session, "卖牛肉干的")
    assert answered.status == COMPLETED
    assert answered.scripts[0].sub_scenario == "逼单话术"
    assert "牛肉干" in answered.scripts[0].content
    assert answered.intent.refers_to_turn == 0


async def test_an_option_of_a_clarification_can_be_sent_back_as_it_is(service: Live) -> None:
    session = await service.blank_session()
    asked = await service.generate(session, "来段话术")
    option = asked.clarification.options[0]
    assert (await service.generate(session, option)).scripts


async def test_three_different_requests_give_three_clearly_different_scripts(service: Live) -> None:
    session = await service.session()
    texts = [
        (await service.generate(session, query)).scripts[0].content
        for query in ("写一段开场话术", "写一段促销话术", "写一段下播话术")
    ]

    def grams(text: str) -> set[str]:
        return {text[i : i + 3] for i in range(len(text) - 2)}

    for i, one in enumerate(texts):
        for other in texts[i + 1 :]:
            assert len(grams(one) & grams(other)) / len(grams(one) | grams(other)) < 0.4


async def test_the_same_query_in_the_same_session_gives_another_version(service: Live) -> None:
    session = await service.session()
    one = (await service.generate(session, "写一段产品介绍")).scripts[0].content
    other = (await service.generate(session, "写一段产品介绍")).scripts[0].content
    assert one != other


async def test_a_product_of_the_request_takes_the_place_of_the_sessions_for_this_turn(service: Live) -> None:
    session = await service.session()
    result = await service.generate(
        session, "写一段产品介绍", product=types_pb2.Product(name="云朵枕", selling_points=["回弹慢"])
    )
    assert "云朵枕" in result.scripts[0].content
    assert "唇釉" not in result.scripts[0].content
    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert stored.product.name == "桃桃唇釉"


async def test_target_characters_are_kept_within_a_fifth(service: Live) -> None:
    session = await service.session()
    for target in (100, 200, 300):
        result = await service.generate(
            session,
            "写一段产品介绍",
            parameters=generate_pb2.GenerationParameters(target_characters=target),
        )
        assert abs(len(result.scripts[0].content) - target) <= target * 0.2
