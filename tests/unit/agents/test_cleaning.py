from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.agents.cleaning import StreamCleaner, clean
from scriptgen.agents.prompt import RULES
from scriptgen.domain.writing import TaskKind, WritingTask

TASK = WritingTask(TaskKind.COMPOSE, "帮我写一段口红的直播带货开场话术")
SCRIPT = "姐妹们晚上好！今天这支口红，黄皮涂上也精神。想看上嘴的扣1，我现在就涂给你们看。"

DIRTY = {
    "thinking": f"<think>用户要开场。先打招呼。</think>\n\n{SCRIPT}",
    "unclosed thinking": f"{SCRIPT}<think>还要不要加一句",
    "thinking that was opened in the prompt": f"先想想怎么写。要亲切。\n</think>\n{SCRIPT}",
    "special tokens": f"{SCRIPT}<|im_end|><|endoftext|>",
    "preamble": f"好的，以下是为您生成的口红直播开场话术：\n\n{SCRIPT}",
    "preamble with a full stop": f"根据您的要求，我写了下面这段话术。\n{SCRIPT}",
    "acknowledgement alone": f"没问题！\n{SCRIPT}",
    "heading": f"## 口红开场话术\n\n{SCRIPT}",
    "title field": f"标题：黄皮救星来了\n时长：30秒\n开场：{SCRIPT}",
    "bracket labels": f"【开场】\n{SCRIPT}",
    "bold label": f"**开场白：**{SCRIPT}",
    "label alone on its line": f"**开场话术（0-5秒）**\n{SCRIPT}",
    "code fence": f"```text\n{SCRIPT}\n```",
    "quoted whole": f"“{SCRIPT}”",
    "stage direction": SCRIPT.replace("今天", "（微笑）今天"),
    "camera direction": f"[镜头特写口红]{SCRIPT}",
    "request repeated": f"帮我写一段口红的直播带货开场话术\n{SCRIPT}",
    "rule repeated": f"{RULES[0]}\n{SCRIPT}",
    "doubled sentence": SCRIPT + "今天这支口红，黄皮涂上也精神。",
    "closing remark": f"{SCRIPT}\n\n希望这段话术对您有帮助，如需调整请告诉我。",
    "note": f"{SCRIPT}\n（注：共52字，可根据实际情况调整）",
    "word count": f"{SCRIPT}\n（约50字）",
}


@pytest.mark.parametrize("dirty", DIRTY.values(), ids=DIRTY.keys())
def test_what_nobody_says_on_air_is_taken_out(dirty: str) -> None:
    assert clean(dirty, TASK) == SCRIPT


def test_bold_bullets_and_numbers_leave_the_words() -> None:
    text = "1. **先看颜色**，黄皮也能驾驭。\n2. 再看质地，一抹就化开。\n- 最后看持久，喝水不沾杯。"
    assert clean(text, TASK) == "先看颜色，黄皮也能驾驭。\n再看质地，一抹就化开。\n最后看持久，喝水不沾杯。"


KEPT = (
    "3、2、1，上链接！",
    "1.5升的大容量，够一家人喝。",
    "好的，家人们，咱们直接看货。",
    "这是一款放包里不占地方的小风扇，拿出来就能吹。",
    "以上就是今天的全部福利，咱们明晚见。",
    "开场就给大家送个惊喜，别走开。",
    "买3*2组合装，一人一半。",
    "这盒有十片（独立包装），出差带着方便。",
    "“显白”这两个字我说累了，你们自己看。".replace("“", "").replace("”", ""),
    "上链接！上链接！上链接！",
    "如果您需要大一号，拍下备注就行。",
    "I love this lipstick, and you will too. Tap the link below!",
)


@pytest.mark.parametrize("line", KEPT)
def test_what_a_host_says_is_kept(line: str) -> None:
    assert clean(f"姐妹们看过来。{line}", TASK) == f"姐妹们看过来。{line}"
    assert clean(line, TASK) == line


def test_a_continuation_does_not_begin_like_the_version_before() -> None:
    task = WritingTask(TaskKind.CONTINUE, "再来一段", source_text=SCRIPT)
    fresh = "刚下班的姐妹举个手，累一天了，涂个口红提提气色。"
    assert clean("姐妹们晚上好！今天这支口红，黄皮涂上也精神。" + fresh, task).endswith(fresh)
    assert "黄皮涂上也精神" not in clean("姐妹们晚上好！今天这支口红，黄皮涂上也精神。" + fresh, task)


def test_it_tells_when_what_comes_is_left_out() -> None:
    cleaner = StreamCleaner(WritingTask(TaskKind.CONTINUE, "再来一段", source_text=SCRIPT))
    told = []
    pieces = ["<think>先想想", "开场", "</think>", "姐妹们晚", "上好！今天这支口", "红，"]
    for piece in pieces:
        assert not cleaner.feed(piece)
        told.append(cleaner.dropping)
    assert told == [True, True, False, False, True, True]
    assert cleaner.feed("这一句不一样，") == "今天这支口红，这一句不一样，"
    assert not cleaner.dropping


def test_a_rewrite_may_begin_like_its_source() -> None:
    pasted = WritingTask(TaskKind.MODIFY, f"把结尾改一下：{SCRIPT}", source_text=SCRIPT)
    assert clean(SCRIPT, pasted) == SCRIPT


def test_the_title_of_a_text_is_dropped_with_its_whole_line() -> None:
    assert clean("标题：黄皮救星\n正文：这支口红我说三句。", TASK) == "这支口红我说三句。"


@pytest.mark.parametrize("cut", range(len("前头<think>想想</think>")))
def test_a_thinking_tag_is_recognised_wherever_it_is_cut(cut: int) -> None:
    text = "前头<think>想想</think>姐妹们好！"
    cleaner = StreamCleaner(TASK)
    assert cleaner.feed(text[:cut]) + cleaner.feed(text[cut:]) + cleaner.finish() == "前头姐妹们好！"


def test_a_closed_but_never_opened_thinking_block_voids_what_went_before() -> None:
    cleaner = StreamCleaner(TASK)
    shown = cleaner.feed("先想一下卖点是什么，再动笔写。嗯，")
    assert shown
    assert cleaner.restarts == 0
    rest = cleaner.feed("</think>姐妹们好！") + cleaner.finish()
    assert cleaner.restarts == 1
    assert rest == "姐妹们好！"


def test_plain_text_flows_without_waiting_for_the_sentence_to_end() -> None:
    cleaner = StreamCleaner(TASK)
    assert cleaner.feed("姐妹们晚上好，今天") == "姐妹们晚上好，今天"
    assert cleaner.feed("这支口红") == "这支口红"


PIECES = st.sampled_from(
    [
        *DIRTY.values(),
        *KEPT,
        *(
            "<think>",
            "</think>",
            "<",
            ">",
            "**",
            "*",
            "#",
            "##",
            "# ",
            "`",
            "```",
            "-",
            "- ",
            "1",
            ".",
            "、",
            "\n",
            "\n\n",
        ),
        *(
            "开场",
            "：",
            "标题",
            "【",
            "】",
            "（",
            "）",
            "(",
            "微笑",
            "好的",
            "，",
            "以下是",
            "话术",
            "。",
            "！",
            "“",
            "”",
            " ",
            "\t",
        ),
        *(
            "姐妹们晚上好！",
            "帮我写一段口红",
            "的直播带货开场话术",
            "希望这",
            "段话术有用",
            "注：",
            "…",
            "——",
            "_",
            "2",
            "*3",
        ),
    ]
)


def streamed(pieces: list[str], task: WritingTask) -> str:
    cleaner = StreamCleaner(task)
    out: list[str] = []
    restarts = 0
    for piece in pieces:
        text = cleaner.feed(piece)
        if cleaner.restarts != restarts:
            restarts = cleaner.restarts
            out.clear()
        out.append(text)
    out.append(cleaner.finish())
    return "".join(out)


TASKS = st.sampled_from(
    [TASK, WritingTask(TaskKind.CONTINUE, "再来一段", source_text=SCRIPT, avoid=("姐妹们看过来。",))]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), TASKS, st.data())
def test_the_stream_gives_what_the_whole_text_gives(
    text: str, task: WritingTask, data: st.DataObject
) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    borders = [0, *cuts, len(text)]
    pieces = [text[a:b] for a, b in pairwise(borders)]
    whole = clean(text, task)
    assert streamed(pieces, task) == whole
    assert streamed(list(text), task) == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=8).map("".join))
def test_the_hold_back_is_bounded(text: str) -> None:
    cleaner = StreamCleaner(TASK)
    given_out = sum(len(cleaner.feed(character)) for character in text + "话" * 400 + "尾")
    rest = cleaner.finish()
    assert given_out == 0 or len(rest) < 130


@pytest.mark.parametrize("text", ["", "\n\n", "<think>", "**", "【开场】", "好的", "标题：只有标题"])
def test_nothing_to_say_gives_nothing(text: str) -> None:
    assert clean(text, TASK) == ""
