"""Edits by rules: what was asked changes, what was not stays byte for byte."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import CATEGORIES, STYLES
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.template.composer import compose
from scriptgen.llm.template.edits import edit
from scriptgen.llm.template.likeness import similarity
from scriptgen.llm.template.outcome import EditOutcome
from scriptgen.llm.template.sentences import flat, join, split

from .conftest import PRODUCTS, make_task

SCRIPT = "家人们晚上好，今天给大家带来新款卫衣，家人们想看上身的扣1。这款卫衣版型利落，穿着很舒服。价格是59.9元，链接在左下角。喜欢的家人们去拍吧！"
SENTENCES = flat(SCRIPT)
HOODIE = Product(name="卫衣", selling_points=("舒服",), price="59.9")


def ask(
    instruction: str, kind: TaskKind = TaskKind.MODIFY, source: str = SCRIPT, **changes: object
) -> EditOutcome:
    task = WritingTask(
        kind=kind, instruction=instruction, source_text=source, category="服饰", product=HOODIE, seed="1"
    )
    return edit(replace(task, **changes))


def kept(text: str) -> list[str]:
    return [s for s in SENTENCES if s in text]


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("把“家人们”都改成“宝宝们”", SCRIPT.replace("家人们", "宝宝们")),
        ("把卫衣改成毛衣", SCRIPT.replace("卫衣", "毛衣")),
        ("产品名换成毛衣", SCRIPT.replace("卫衣", "毛衣")),
        ("把称呼换成老铁们", SCRIPT.replace("家人们", "老铁们")),
        ("价格从59.9改成69.9", SCRIPT.replace("59.9", "69.9")),
        ("把价格改成49", SCRIPT.replace("59.9元", "49元")),
        ("把“舒服”换成“自在”", SCRIPT.replace("舒服", "自在")),
        ("别用家人们，换成姐妹们", SCRIPT.replace("家人们", "姐妹们")),
        ("删掉讲价格那句", SCRIPT.replace(SENTENCES[2], "")),
        ("不要提价格", SCRIPT.replace(SENTENCES[2], "")),
        ("把版型那句去掉", SCRIPT.replace(SENTENCES[1], "")),
        ("删掉第二句", SCRIPT.replace(SENTENCES[1], "")),
        ("加一句今天只要49", SCRIPT.replace(SENTENCES[3], "今天只要49元。" + SENTENCES[3])),
        ("结尾加一句咱们明晚见", SCRIPT + "咱们明晚见。"),
        ("开头加一句大家好", "大家好。" + SCRIPT),
        ("把结尾改成“今晚不见不散”", SCRIPT.replace(SENTENCES[3], "今晚不见不散。")),
    ],
)
def test_a_concrete_change_is_made_and_nothing_else(instruction: str, expected: str) -> None:
    outcome = ask(instruction)
    assert outcome.text == expected
    assert outcome.changed
    assert not outcome.warning


def test_the_old_product_is_found_when_only_the_new_name_is_known() -> None:
    source = "放学路上的那口烤肠味儿，现在在家就能复刻，平底锅小火煎三分钟，外皮滋滋冒油。"
    outcome = ask("产品名换成酸辣粉", source=source, category="食品", product=Product(name="酸辣粉"))
    assert outcome.text == source.replace("烤肠", "酸辣粉")


def test_the_hosts_name_is_found_in_the_text() -> None:
    source = "哈喽宝宝们我是小鹿酱，今天嗓子有点哑但面膜必须给你们讲完，先来抢个沙发。"
    assert ask("把主播名字改成朵朵姐", source=source).text == source.replace("小鹿酱", "朵朵姐")


def test_a_new_opening_changes_only_the_first_sentence() -> None:
    for seed in range(5):
        outcome = ask("把开头换一下", seed=str(seed), sub_scenario="开场话术")
        assert outcome.text.endswith("".join(SENTENCES[1:]))
        assert SENTENCES[0] not in outcome.text
        assert "卫衣" in outcome.text


def test_a_greeting_opening_greets_with_the_hosts_name() -> None:
    outcome = ask("把开头换成问候语", influencer_name="小鹿酱")
    assert "小鹿酱" in flat(outcome.text)[0]
    assert kept(outcome.text) == SENTENCES[1:]


def test_a_banned_word_leaves_the_opening() -> None:
    for seed in range(8):
        opening = ask("开头改一下，别用家人们", seed=str(seed)).text.removesuffix("".join(SENTENCES[1:]))
        assert "家人们" not in opening


def test_a_question_opening_asks() -> None:
    assert "？" in ask("换个提问式的开头").text.removesuffix("".join(SENTENCES[1:]))


@pytest.mark.parametrize(
    ("instruction", "heard"),
    [
        ("话术里加上七夕活动的信息", "七夕"),
        ("加上618的内容", "618"),
        ("结尾加个点关注的引导", "关注"),
        ("加一个互动环节", r"扣|公屏|告诉|说|看看|打出来"),
    ],
)
def test_a_described_addition_is_written_and_the_rest_kept(instruction: str, heard: str) -> None:
    outcome = ask(instruction)
    assert kept(outcome.text) == SENTENCES
    added = outcome.text
    for sentence in SENTENCES:
        added = added.replace(sentence, "", 1)
    assert re.search(heard, added)


@pytest.mark.parametrize("limit", [30, 50, 70])
def test_shortening_keeps_opening_and_call_to_action(limit: int) -> None:
    text = ask(f"缩短到{limit}字以内").text
    assert len(text) <= limit
    assert text.startswith("家人们晚上好")
    assert text.endswith("去拍吧！")


def test_only_the_paragraph_that_was_named_is_cut_in_half() -> None:
    tail = "第三段很长，说说搭配，说说颜色，说说尺码。还有更多内容，慢慢听。"
    source = f"{SCRIPT}\n第二段讲讲面料。\n{tail}"
    text = ask("第三段太啰嗦了砍一半", source=source).text
    first, second, third = text.split("\n")
    assert (first, second) == (SCRIPT, "第二段讲讲面料。")
    assert len(third) <= len(tail) * 0.6


@pytest.mark.parametrize("wanted", [120, 160, 240])
def test_lengthening_adds_sentences_and_keeps_the_old_ones(wanted: int) -> None:
    text = ask(f"扩写到{wanted}字").text
    assert abs(len(text) - wanted) <= 0.2 * wanted
    assert kept(text) == SENTENCES
    assert flat(text)[-1] == SENTENCES[-1]


def test_an_instruction_that_says_nothing_concrete_changes_nothing_and_warns() -> None:
    outcome = ask("随便动动")
    assert (outcome.text, outcome.changed) == (SCRIPT, False)
    assert outcome.warning


def test_the_last_sentence_is_never_deleted_into_nothing() -> None:
    source = "这款耳机降噪一开，地铁里也安静，续航够你通勤。"
    assert ask("把降噪那句去掉", source=source).text == "地铁里也安静，续航够你通勤。"


@pytest.mark.parametrize(
    "instruction",
    [
        "润色一下",
        "再有感染力一点",
        "再口语化一些",
        "要更专业",
        "润色得自然一点",
        "更幽默",
        "温柔一点",
        "没激情啊",
    ],
)
def test_optimizing_changes_the_wording_and_keeps_the_facts(instruction: str) -> None:
    outcome = ask(instruction, TaskKind.OPTIMIZE)
    assert outcome.changed
    assert 0.3 <= similarity(SCRIPT, outcome.text) < 0.95
    for fact in ("卫衣", "59.9元", "舒服", "链接"):
        assert fact in outcome.text
    assert not set(re.findall(r"\d+(?:\.\d+)?", outcome.text)) - {"1", "59.9"}


@pytest.mark.parametrize("style", STYLES)
def test_optimizing_a_composed_script_stays_clean(style: str, checker: ComplianceChecker) -> None:
    for category in CATEGORIES:
        source = compose(make_task(category, sub_scenario="逼单话术"))
        task = make_task(category, kind=TaskKind.OPTIMIZE, instruction=f"更{style}一点", source_text=source)
        text = edit(task).text
        assert text != source
        assert not checker.review(text, category=category, product=PRODUCTS[category], first_person=False), (
            text
        )


@pytest.mark.parametrize(
    ("instruction", "heard"),
    [("改成粤语版", "嘅|喺|系"), ("用四川话重说一遍", "乡亲们|嘛|哈"), ("换成东北话", "老铁|今儿个")],
)
def test_a_dialect_is_audible_and_comes_with_a_caution(instruction: str, heard: str) -> None:
    outcome = ask(instruction, TaskKind.TRANSLATE)
    assert re.search(heard, outcome.text)
    assert "59.9元" in outcome.text
    assert "卫衣" in outcome.text
    assert "过一遍" in outcome.warning


@pytest.mark.parametrize("instruction", ["翻成英文", "英文版来一份", "翻译成日语"])
def test_another_language_is_refused_not_faked(instruction: str) -> None:
    outcome = ask(instruction, TaskKind.TRANSLATE)
    assert (outcome.text, outcome.changed) == (SCRIPT, False)
    assert "没有接入模型" in outcome.warning


def test_the_polite_style_addresses_nobody_as_family() -> None:
    text = ask("转成高端风格", TaskKind.TRANSLATE).text
    assert "家人们" not in text
    assert "！" not in text


def test_a_note_or_a_video_loses_what_belongs_to_a_live_stream() -> None:
    for instruction in ("整个小红书版的", "改成短视频版", "换成种草文案"):
        text = ask(instruction, TaskKind.TRANSLATE).text
        assert not re.search(r"直播间|公屏|扣1|小黄车", text), text
        assert "卫衣" in text
        assert "59.9元" in text


def test_a_video_becomes_a_live_script_with_interaction_and_call_to_action() -> None:
    source = "想穿得利落一点，可以看看这款卫衣。版型有样子，穿着舒服。需要的点下方链接看详情。"
    text = ask("把短视频版改成直播版", TaskKind.TRANSLATE, source=source, scenario="短视频").text
    assert "版型有样子，穿着舒服。" in text
    assert len(flat(text)) >= 4


def test_another_hosts_manner_brings_address_and_catchphrases() -> None:
    profile = StyleProfile(address=("老铁们",), catchphrases=("整起来", "听我的没错"))
    text = ask("换成他的风格", TaskKind.TRANSLATE, profile=profile, influencer_name="阿杰").text
    assert "老铁们" in text
    assert "家人们" not in text
    assert "整起来" in text


def test_an_edit_without_a_source_says_so() -> None:
    assert ask("改短一点", source="  ") == EditOutcome("", False, "没有可以修改的话术。")


@pytest.mark.parametrize(
    "text", [SCRIPT, "一句没有标点", "问句？答句！\n第二段。“引号里。”后面。", "省略……再来。"]
)
def test_splitting_loses_nothing(text: str) -> None:
    assert join(split(text)) == text


def test_the_same_edit_gives_the_same_text() -> None:
    assert ask("再燃一点", TaskKind.OPTIMIZE) == ask("再燃一点", TaskKind.OPTIMIZE)


def test_each_change_of_a_list_is_made_where_it_belongs() -> None:
    outcome = ask("开头换一下，结尾加个点关注的引导")
    before, after = flat(SCRIPT), flat(outcome.text)
    assert after[0] != before[0]
    assert after[1 : len(before)] == before[1:]
    assert "关注" in after[-1]
    assert not outcome.warning


def test_the_part_of_a_list_that_was_not_done_is_named() -> None:
    outcome = ask("把第九句删了，开头换一下")
    assert outcome.changed
    assert "把第九句删了" in outcome.warning
    assert "开头" not in outcome.warning


def test_deleting_the_price_leaves_no_question_after_it() -> None:
    text = ask("删掉讲价格那句", source="今天讲卫衣。多少钱？59.9元！喜欢的去拍。").text
    assert text == "今天讲卫衣。喜欢的去拍。"


@pytest.mark.parametrize("instruction", ["改成文言文", "换成御姐风", "改成诗歌"])
def test_a_form_no_rule_can_write_is_refused_not_faked(instruction: str) -> None:
    outcome = ask(instruction, TaskKind.TRANSLATE)
    assert (outcome.text, outcome.changed) == (SCRIPT, False)
    assert "模板写不了" in outcome.warning


def test_a_host_nobody_knows_is_asked_about() -> None:
    source = SCRIPT.replace("家人们", "姐妹们")
    profile = StyleProfile(address=("姐妹们",))
    outcome = ask(
        "换成朵朵姐的口吻", TaskKind.TRANSLATE, source=source, influencer_name="朵朵姐", profile=profile
    )
    assert (outcome.text, outcome.changed) == (source, False)
    assert "朵朵姐的风格资料" in outcome.warning


@pytest.mark.parametrize("style", STYLES)
def test_words_within_words_stay_whole(style: str) -> None:
    source = "今天讲这口锅。用完冲一冲就利落，快递到了先看外箱，超市里也有买家这么问。喜欢的去拍吧！"
    text = ask(f"更{style}一点", TaskKind.OPTIMIZE, source=source).text
    assert all(word in text for word in ("冲一冲", "快递", "超市", "买家"))
