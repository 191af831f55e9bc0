"""A script of the phrase banks in another style: every sentence is said anew, and nothing of what it says is lost."""

from __future__ import annotations

import re

import pytest

from scriptgen.domain.vocabulary import CATEGORIES, STYLES, SUB_SCENARIOS
from scriptgen.domain.writing import TaskKind
from scriptgen.llm.template.composer import compose
from scriptgen.llm.template.edits import edit
from scriptgen.llm.template.recognise import recogniser
from scriptgen.llm.template.sentences import flat

from .conftest import PRODUCTS, make_task

FORMAL = ("专业", "高端")
COLLOQUIAL = re.compile(r"咱|瞅|唠|得嘞|哎，|冲一波|小手|你|姐妹们|家人们")


def opposite(style: str) -> str:
    return "口语" if style in FORMAL else "高端"


def in_style(style: str, source: str, category: str, sub_scenario: str) -> str:
    task = make_task(
        category,
        sub_scenario=sub_scenario,
        kind=TaskKind.OPTIMIZE,
        instruction=f"更{style}一点",
        source_text=source,
    )
    return edit(task).text


def origins(text: str) -> list[tuple[str, str]]:
    """(element, tag) of every sentence that comes from the banks."""
    sentences, found = flat(text), []
    while sentences:
        piece = recogniser().find(sentences)
        if piece:
            found.append((piece.element, piece.phrase.tag))
        del sentences[: piece.count if piece else 1]
    return found


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_sentence_of_a_composed_script_is_recognised(category: str) -> None:
    sentences = known = 0
    for sub_scenario in SUB_SCENARIOS:
        for style in ("口语", "激情", "高端"):
            rest = flat(compose(make_task(category, sub_scenario=sub_scenario, styles=(style,), seed=style)))
            while rest:
                piece = recogniser().find(rest)
                sentences += 1
                known += piece is not None
                del rest[: piece.count if piece else 1]
    assert known >= 0.9 * sentences  # facts that have phrases of their own are not in the banks


def test_what_others_wrote_is_not_recognised() -> None:
    for sentence in (
        "这支口红我自己也买了两支，一支放家里。",
        "1299元，就是这个价。",
        "今晚有运费险。",
        "Buy it now!",
    ):
        assert recogniser().find([sentence]) is None


@pytest.mark.parametrize("style", STYLES)
def test_a_script_is_said_in_the_style_throughout_with_all_its_facts(style: str) -> None:
    strangers = sentences = 0
    for category in CATEGORIES:
        for sub_scenario in SUB_SCENARIOS:
            source = compose(make_task(category, sub_scenario=sub_scenario, styles=(opposite(style),)))
            text = in_style(style, source, category, sub_scenario)
            assert text != source
            product = PRODUCTS[category]
            for fact in (product.name, *product.selling_points, *re.findall(r"\d+(?:\.\d+)?", source)):
                assert fact in text or fact not in source, (fact, text)
            assert abs(len(text) - len(source)) <= 0.4 * len(source)
            assert all(re.search(r"[。！？]$", sentence) for sentence in flat(text)), text
            tags = [tag for _, tag in origins(text)]
            sentences += len(tags)
            strangers += sum(tag in STYLES and tag != style for tag in tags)
            assert tags.count(style) >= 2, text
    assert strangers <= 0.02 * sentences


@pytest.mark.parametrize("style", FORMAL)
def test_a_formal_voice_keeps_nothing_of_a_colloquial_one(style: str) -> None:
    for category in CATEGORIES:
        source = compose(make_task(category, sub_scenario="产品介绍", styles=("口语",)))
        text = in_style(style, source, category, "产品介绍")
        left = COLLOQUIAL.findall(text)
        assert not (left if style == "高端" else [word for word in left if word != "你"]), text


@pytest.mark.parametrize("style", FORMAL)
def test_a_note_made_formal_is_no_note_any_more(style: str) -> None:
    for category in CATEGORIES:
        script = compose(make_task(category, sub_scenario="开场话术", styles=("活泼",)))
        note = edit(
            make_task(category, kind=TaskKind.TRANSLATE, instruction="改成小红书种草文案", source_text=script)
        ).text
        text = in_style(style, note, category, "开场话术")
        assert not re.search(r"～|谁懂啊|真的会谢|[呀哦哈嘛啦][。！]", text), text


def test_elements_keep_their_order() -> None:
    source = compose(make_task("美妆", sub_scenario="产品介绍", styles=("口语",)))
    text = in_style("高端", source, "美妆", "产品介绍")
    before = [element for element, _ in origins(source)]
    after = [element for element, _ in origins(text)]
    worries = {"pain", "flavour"}  # a voice of quiet luxury says something of its own instead
    assert [e for e in before if e not in worries] == [e for e in after if e not in worries]


def test_what_the_operator_added_stays_where_it_is() -> None:
    source = compose(make_task("美妆", sub_scenario="逼单话术", styles=("口语",)))
    sentences = flat(source)
    sentences.insert(3, "今晚拍有运费险。")
    text = in_style("高端", "".join(sentences), "美妆", "逼单话术")
    assert flat(text).index("今晚拍有运费险。") == 3


def test_one_style_after_the_other_leaves_no_trace_of_the_first() -> None:
    source = compose(make_task("服饰", sub_scenario="逼单话术", styles=("激情",)))
    text = in_style("专业", in_style("高端", source, "服饰", "逼单话术"), "服饰", "逼单话术")
    assert not [origin for origin in origins(text) if origin[1] in {"激情", "高端"}]
    assert "您" not in text


def test_a_script_of_other_origin_is_reworded_and_not_recast() -> None:
    source = "家人们晚上好，我是小鹿酱。这款卫衣我穿了一周，版型真的利落。洗了三次没变形。价格是59.9元，链接在左下角。"
    text = in_style("高端", source, "服饰", "产品介绍")
    for fact in ("卫衣", "59.9元", "三次"):
        assert fact in text
    assert not origins(source)


@pytest.mark.parametrize(
    ("wanted", "opening"),
    [("换成小红书种草文案", "note_open"), ("改成短视频口播", "video_open"), ("改成种草图文", "note_open")],
)
def test_another_form_has_one_opening_and_it_is_its_own(wanted: str, opening: str) -> None:
    for category in CATEGORIES:
        source = compose(make_task(category, sub_scenario="促销话术"))
        task = make_task(
            category,
            sub_scenario="促销话术",
            kind=TaskKind.TRANSLATE,
            instruction=wanted,
            source_text=source,
        )
        text = edit(task).text
        elements = [element for element, _ in origins(text)]
        assert elements[0] == opening, text
        assert "promo_open" not in elements, text
        assert PRODUCTS[category].name in text
        assert not [s for s in flat(text) if s.endswith("的。") and len(s) < 9], text  # 看了好几回的
