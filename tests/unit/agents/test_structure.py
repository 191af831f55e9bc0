from __future__ import annotations

import pytest
from msgspec.structs import replace

from scriptgen.agents.structure import check_form, check_structure, thin_below
from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.session import Product
from scriptgen.domain.writing import TaskKind, WritingTask

SCRIPT = (
    "姐妹们晚上好，欢迎来到直播间！今天给大家看一支口红，薄涂显气色，厚涂也不夸张。"
    "上班路上补一下，两秒钟就精神了。喜欢的姐妹扣个1，我马上涂给你们看。"
)
TASK = WritingTask(
    TaskKind.COMPOSE,
    "帮我写一段口红的直播带货开场话术",
    category="美妆",
    sub_scenario="开场话术",
    product=Product(name="口红"),
    target_characters=90,
)


def kinds(text: str, task: WritingTask = TASK, *, complete: bool = True) -> dict[str, Severity]:
    issues = check_structure(text, task, complete=complete)
    for issue in issues:
        assert issue.span == text[issue.start : issue.end]
    return {issue.type: issue.severity for issue in issues}


def test_a_whole_script_has_no_structural_issue() -> None:
    assert kinds(SCRIPT) == {}


def test_a_repeated_request_is_an_echo() -> None:
    assert (
        kinds(f"帮我写一段口红的直播带货开场话术，好的。{SCRIPT}")["structure_prompt_echo"] is Severity.BLOCK
    )


def test_a_prompt_mark_is_an_echo() -> None:
    assert kinds(f"{SCRIPT}</商品资料>")["structure_prompt_echo"] is Severity.BLOCK


def test_a_thin_text_fails() -> None:
    assert kinds("姐妹们好，看口红。")["structure_too_thin"] is Severity.BLOCK


def test_a_short_text_is_not_thin_where_a_short_one_was_asked_for() -> None:
    short = WritingTask(TaskKind.MODIFY, "缩短到20字", source_text=SCRIPT, target_characters=20)
    assert "structure_too_thin" not in kinds("姐妹们，这支口红薄涂显气色，想看扣1。", short)


@pytest.mark.parametrize("tail", ["而且今天下单还", "比如", "今天的价格，", "我跟你们说：", "这支口红（"])
def test_a_sentence_without_its_end_fails(tail: str) -> None:
    complete = tail == "而且今天下单还"
    assert kinds(SCRIPT + tail, complete=not complete)["structure_unfinished"] is Severity.BLOCK


def test_a_missing_full_stop_alone_is_forgiven_in_a_text_that_was_not_cut_off() -> None:
    assert kinds(SCRIPT + "三二一，上链接") == {}
    assert "structure_unfinished" in kinds(SCRIPT + "三二一，上链接", complete=False)


def test_the_old_product_may_not_be_heard_after_a_switch() -> None:
    switched = replace(TASK, forbidden_terms=("螺蛳粉", "59"))
    text = SCRIPT + "跟昨天的螺蛳粉一样，只要59块。"
    found = check_structure(text, switched, complete=True)
    assert [issue.span for issue in found] == ["螺蛳粉", "59"]
    assert all(issue.severity is Severity.BLOCK for issue in found)


@pytest.mark.parametrize("price", ["159", "590", "59.9", "1.59"])
def test_a_number_is_forbidden_as_a_whole_only(price: str) -> None:
    switched = replace(TASK, forbidden_terms=("59",))
    assert "structure_product_switch" not in kinds(f"{SCRIPT}今天{price}块。", switched)


def test_a_version_like_an_earlier_one_is_pointed_out() -> None:
    again = replace(TASK, kind=TaskKind.CONTINUE, source_text=SCRIPT)
    assert kinds(SCRIPT.replace("晚上好", "下午好"), again)["structure_repetition"] is Severity.WARN


def test_an_avoided_opening_alone_does_not_make_a_repetition() -> None:
    again = replace(TASK, kind=TaskKind.CONTINUE, avoid=("姐妹们晚上好，欢迎来到直播间！",))
    assert "structure_repetition" not in kinds(SCRIPT, again)


def test_a_text_that_runs_in_circles_fails() -> None:
    assert (
        kinds("这支口红真的显白真的好看。" + "真的显白真的好看，" * 20 + "扣1。")["structure_repetition"]
        is Severity.BLOCK
    )


def test_a_sentence_said_twice_is_pointed_out() -> None:
    doubled = SCRIPT + "上班路上补一下，两秒钟就精神了。"
    assert kinds(doubled)["structure_repetition"] is Severity.WARN


def test_a_missing_scene_element_is_a_warning() -> None:
    flat = "这支口红的膏体偏软，颜色是豆沙红，薄涂和厚涂都可以。包装是白色的，盖子是磁吸的，放在包里不占地方，自己涂也不挑手法。"
    promotion = replace(TASK, sub_scenario="逼单话术", target_characters=60)
    issues = [
        i for i in check_structure(flat, promotion, complete=True) if i.type == "structure_missing_element"
    ]
    assert issues
    assert all(issue.severity is Severity.WARN for issue in issues)


def test_rewrites_are_not_held_to_a_scene() -> None:
    rewrite = WritingTask(TaskKind.TRANSLATE, "翻成英文", source_text=SCRIPT, sub_scenario="逼单话术")
    assert (
        kinds("Hi everyone, welcome! Look at this lipstick. Type 1 and I will try it on for you.", rewrite)
        == {}
    )


def test_the_floor_of_a_rewrite_follows_its_source() -> None:
    assert thin_below(WritingTask(TaskKind.MODIFY, "改", source_text="短")) == 8
    assert thin_below(WritingTask(TaskKind.MODIFY, "改", source_text=SCRIPT * 5)) > 30


def test_a_text_of_unknown_origin_is_checked_for_its_form() -> None:
    found: list[QualityIssue] = [*check_form(SCRIPT), *check_form("")]
    assert found == []
    assert [issue.type for issue in check_form("姐妹们晚上好，今天给你们看")] == []
    assert [issue.type for issue in check_form("姐妹们晚上好，今天给你们看，")] == ["structure_unfinished"]


def test_a_rewrite_that_is_its_source_is_pointed_out() -> None:
    rewrite = WritingTask(TaskKind.TRANSLATE, "翻成英文", source_text=SCRIPT)
    assert kinds(SCRIPT.replace("！", "。"), rewrite) == {"structure_unchanged": Severity.WARN}
    assert kinds(SCRIPT, replace(rewrite, fixed_text=SCRIPT)) == {}
