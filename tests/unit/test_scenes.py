"""Scenes, lengths and category knowledge: what can be expected of a script, and what cannot."""

from __future__ import annotations

import re

import pytest

from scriptgen.domain.categories import knowledge_for, known_categories, subtypes_of
from scriptgen.domain.scenes import missing_elements, scene_for, target_characters
from scriptgen.domain.vocabulary import CATEGORIES, SCENARIOS, SUB_SCENARIOS


@pytest.mark.parametrize(
    ("length", "characters"),
    [
        ("30秒", 135),
        ("30秒左右", 135),
        ("60s", 270),
        ("1分钟", 270),
        ("一分半", 405),
        ("半分钟", 135),
        ("1分30秒", 405),
        ("两分钟", 540),
        ("200字", 200),
        ("200 字", 200),
        ("100字以内", 90),
        ("50个字", 50),
        ("120", 120),
        ("9999999字", 3000),
        ("1字", 30),
    ],
)
def test_a_stated_length_becomes_characters(length: str, characters: int) -> None:
    assert target_characters(length, scene_for("开场话术")) == characters


def test_an_unstated_length_is_the_scenes_own_and_vague_wishes_move_it() -> None:
    scene = scene_for("促销话术")
    assert target_characters("", scene) == scene.default_characters
    assert target_characters("短一点", scene) < scene.default_characters < target_characters("详细点", scene)


@pytest.mark.parametrize("sub_scenario", SUB_SCENARIOS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scene_has_a_spec_in_every_form(sub_scenario: str, scenario: str) -> None:
    scene = scene_for(sub_scenario, scenario)
    assert (scene.name, scene.form) == (sub_scenario, scenario)
    assert scene.required
    assert scene.prompt_guidance
    assert 120 <= scene.default_characters <= 300
    assert scene.outline()


def test_unknown_scenes_are_read_as_a_product_introduction_on_a_live_stream() -> None:
    scene = scene_for("什么都不是", "也不是")
    assert (scene.name, scene.form) == ("产品介绍", "直播带货")


def test_a_promotion_without_its_price_or_call_to_action_is_incomplete() -> None:
    scene = scene_for("促销话术")
    text = "姐妹们，这款面膜用着很舒服，敷完脸上润润的。"
    assert missing_elements(text, scene, has_price=True) == ("price", "cta")
    assert missing_elements(text, scene, has_price=False) == ("cta",)
    assert missing_elements("今天59.9元，点链接去拍。", scene, has_price=True) == ()


def test_only_elements_that_the_given_facts_allow_are_expected() -> None:
    scene = scene_for("产品介绍")
    text = "下班回到家泡一碗，热乎乎的。"
    assert missing_elements(text, scene) == ()
    assert missing_elements(text, scene, product_name="螺蛳粉", selling_points=("料足",)) == (
        "product",
        "selling_point",
    )
    assert missing_elements(
        f"{text}这款螺蛳粉料很足。", scene, product_name="螺蛳粉", selling_points=("料足",)
    ) == ("selling_point",)


def test_scarcity_is_something_to_be_cautious_about() -> None:
    scene = scene_for("促销话术")
    (scarcity,) = scene.forbidden
    assert scarcity.found_in("就剩最后5单，快去拍。")
    assert not scarcity.found_in("喜欢的去拍。")
    assert "限时限量：只在给出库存" in scene.cautions()
    assert not scene_for("产品介绍").cautions()


def test_every_category_of_the_vocabulary_is_known_and_an_unknown_one_is_other() -> None:
    assert set(known_categories()) == set(CATEGORIES)
    assert knowledge_for("没有这个").name == "其他"


@pytest.mark.parametrize("category", CATEGORIES)
def test_category_words_keep_the_grammar_that_phrases_rely_on(category: str) -> None:
    for name in ("", *(cue for s in subtypes_of(category) for cue in s.cues)):
        known = knowledge_for(category, name)
        for words in (known.pains, known.moments, known.shows, known.wishes, known.crowds):
            assert len(set(words)) == len(words) >= 4
            assert all(word and not re.search(r"[。！？\s{}]", word) for word in words)
        assert all(tip.endswith("。") for tip in known.tips)
        assert all(
            answer.endswith("。") and not question.endswith("？") for question, answer in known.questions
        )
        assert len(known.measure) == 1
        assert not any(moment.endswith("的") for moment in known.moments)


@pytest.mark.parametrize(
    ("category", "product", "subtype", "measure"),
    [
        ("美妆", "雾面口红", "唇部", "支"),
        ("美妆", "面膜", "护肤", "款"),
        ("服饰", "羽绒服", "外套", "件"),
        ("服饰", "小白鞋", "鞋", "双"),
        ("家居", "四件套", "床品", "套"),
        ("食品", "坚果礼盒", "零食", "份"),
        ("数码", "蓝牙耳机", "耳机", "副"),
        ("珠宝", "翡翠手镯", "手镯", "只"),
        ("食品", "酱香白酒", "酒", "瓶"),
        ("个护", "电动牙刷", "小电器", "支"),
        ("图书", "考研英语单词书", "学习", "本"),
        ("其他", "香薰蜡烛", "", "款"),
    ],
)
def test_the_head_noun_decides_subtype_and_measure_word(
    category: str, product: str, subtype: str, measure: str
) -> None:
    known = knowledge_for(category, product)
    assert (known.subtype, known.measure) == (subtype, measure)


def test_a_lipstick_is_not_spoken_of_like_a_face_mask() -> None:
    assert not set(knowledge_for("美妆", "口红").pains) & set(knowledge_for("美妆", "面膜").pains)


def test_the_generic_profile_carries_the_categorys_numbers() -> None:
    lively, calm = knowledge_for("食品").generic_profile(), knowledge_for("珠宝").generic_profile()
    assert lively.exclamation > calm.exclamation
    assert lively.formality < calm.formality
    assert lively.address[0] == "家人们"
