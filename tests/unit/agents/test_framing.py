"""What a model says to whoever ordered a script is taken out; what a host says to viewers, in nearly the same
words, stays. Cases are texts around one script, whole and in pieces.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.agents.cleaning import StreamCleaner, clean
from scriptgen.domain.writing import TaskKind, WritingTask

TASK = WritingTask(TaskKind.COMPOSE, "帮我写一段口红的直播带货开场话术")
SCRIPT = "姐妹们晚上好！今天这支口红，黄皮涂上也精神。想看上嘴的扣1，我现在就涂给你们看。"

#: In a paragraph of their own behind the script.
CLOSINGS = (
    "希望对您有帮助！",
    "希望对你有所帮助。",
    "希望能帮到您！",
    "希望这些内容对您有帮助。",
    "希望这段文字能满足您的需求！",
    "希望您喜欢！",
    "希望您满意。",
    "如需调整请告诉我",
    "如需调整，请随时告诉我！",
    "如需修改或补充，欢迎随时告知。",
    "如有需要调整的地方，请告诉我。",
    "如有其他需求，请随时联系我。",
    "如有任何问题，欢迎随时提出。",
    "如果还有其他需要，随时告诉我",
    "如果还有其他需要，请随时告诉我，我会尽力帮您完善。",
    "如果您需要其他风格，我可以再写一版。",
    "如果您有特定的要求或需要进一步调整，请告诉我。",
    "如果你想要更活泼的版本，我可以帮你再改。",
    "如果觉得太长，我可以帮您精简。",
    "若需要其他版本，请告诉我。",
    "还有其他需要吗？随时告诉我。",
    "还有什么需要调整的地方，请随时告诉我。",
    "需要我再写一段促销话术吗？",
    "需要调整语气或长度吗？",
    "是否需要我补充促单的部分？请告诉我。",
    "要不要我帮您换一种风格？",
    "有任何修改意见，随时跟我说。",
    "您看这样可以吗？如果需要调整，请告诉我。",
    "随时为您效劳。",
    "期待您的反馈！",
    "祝您直播顺利！",
    "祝您直播大卖，销量长虹！",
    "祝你带货顺利！",
    "祝直播顺利，爆单多多！",
    "预祝您的直播圆满成功！",
    "最后，祝您直播间人气爆棚！",
    "以上就是为您准备的内容，请查收。",
    "以上就是为您撰写的开场话术。",
    "以上是口红直播的开场话术，供您参考。",
    "以上内容仅供参考。",
    "以上话术可以根据直播间的气氛灵活调整。",
    "您可以根据实际情况调整语气和节奏。",
    "可根据主播的风格适当调整。",
    "主播可以根据现场气氛即兴发挥。",
    "建议您在直播时配合手势，效果更好。",
    "这段话术通过热情的问候拉近了与观众的距离，突出了口红显白的卖点，并用扣1引导互动，非常适合直播开场使用，能够有效提升直播间的氛围。",
    "这段开场白话术语气亲切，适合新人主播使用。",
    "该话术约50字，朗读时长约15秒。",
    "（注：以上话术仅供参考，请根据实际情况调整。）",
    "（注：价格请以直播间为准）",
    "(注：可以根据需要删减。语气可以更活泼一些。)",
    "注：以上内容共52字。",
    "备注：语速可以稍快。",
    "说明：开头用了提问式。",
    "字数统计：52字",
    "字数：52",
    "全文共52字。",
    "（全文约50字）",
    "（字数：52）",
    "修改说明：\n1. 开头换成了问候。\n2. 加了互动。",
    "## 优化点\n- 更口语了\n- 加了互动",
    "**创作思路：**\n先打招呼，再讲卖点。\n最后引导互动。",
    "希望这段话术对您有帮助！如果需要调整，请随时告诉我。祝您直播顺利！",
    "希望对您有帮助！\n\n如需调整请告诉我。\n\n祝您直播顺利！",
    "以上就是为您生成的话术，语气可以根据现场气氛调整。整体节奏偏快，适合开场。加油！",
    "I hope this helps! Let me know if you'd like any changes.",
    "Let me know if you need another version.",
)
SEPARATORS = ("\n\n", "\n\n---\n\n", "\n")
#: These say so much themselves that they need no paragraph of their own.
PLAIN_CLOSINGS = tuple(
    closing
    for closing in CLOSINGS
    if not closing.startswith(
        (
            "希望您",
            "如有其他需求",
            "如有任何",
            "还有其他需要",
            "有任何修改",
            "随时为您",
            "期待您",
            "#",
            "*",
            "修改",
            "I h",
        )
    )
)

OPENINGS = (
    "好的，以下是为您撰写的开场话术：",
    "好的，以下是为您准备的内容：",
    "好的！以下是一段适合直播的开场话术：",
    "好的，没问题！以下是为您生成的话术：",
    "好的，没问题！",
    "收到！马上为您撰写。",
    "没问题，这就为您写一段开场话术。",
    "当然可以！下面是一段口红的直播开场话术：",
    "当然，我来帮您写一段。",
    "好的，我将为您创作一段口红直播开场话术。",
    "好的，根据您的要求，我为您撰写了如下话术：",
    "根据您提供的信息，这段开场话术如下：",
    "根据您的需求，为您生成如下内容：",
    "按照您的要求，我写了一段30秒的开场话术：",
    "为您撰写的口红开场话术如下：",
    "您好！以下是为您撰写的开场话术：",
    "您好！根据您的要求，我为您写了一段话术。",
    "很高兴为您服务！以下是您要的开场话术：",
    "非常乐意为您撰写这段话术！",
    "这是为您定制的口红直播开场话术：",
    "这是一段适合口红的直播开场话术：",
    "这是您要的开场话术：",
    "以下话术供您参考：",
    "口红直播带货开场话术",
    "口红直播带货开场话术：",
    "《口红直播开场话术》",
    "【口红直播带货开场话术】",
    "**口红直播开场话术（30秒）**",
    "修改后的话术如下：",
    "Sure, here is the opening script:",
    "Certainly! Here's a version for your livestream:",
)

#: A host's own words; each stands behind another sentence, in a paragraph of its own, and alone.
KEPT = (
    "祝大家晚安，咱们明天见！",
    "祝大家身体健康，万事如意！",
    "祝您生活愉快！",
    "祝您购物愉快，我们下次见。",
    "祝各位天天好心情。",
    "希望大家喜欢！",
    "希望大家喜欢今天的分享。",
    "希望你们都能用上。",
    "希望这款口红能让你更有气色。",
    "希望今天的讲解对您有帮助。",
    "希望今天的推荐能帮到大家。",
    "以上就是今天的全部。",
    "以上就是今天的全部福利，咱们明晚见。",
    "以上就是今天直播的全部内容，感谢陪伴。",
    "以上这几款都给大家留着。",
    "如果您需要大一号，拍下备注就行。",
    "如需调整尺码，联系客服就好。",
    "如果还有其他问题，打在公屏上。",
    "还有什么想看的，评论区告诉我。",
    "还有其他问题的宝宝，随时问我。",
    "有需要的姐妹随时来问。",
    "如果你是黄皮，选这个色号。",
    "如果你想显白，就选它。",
    "如果觉得不合适，七天内都能退。",
    "需要调整肩带的，看这里的卡扣。",
    "可以根据自己的肤质调整用量。",
    "您可以根据肤色选色号。",
    "建议大家先从小面积试起。",
    "请放心拍，运费险给大家配好了。",
    "随时欢迎大家回来。",
    "期待下次和大家见面。",
    "感谢大家的支持与陪伴！",
    "感谢您的陪伴，期待与您下一次相见。",
    "这段时间一直有人问我用的什么口红。",
    "这套里面有三支，都是日常色。",
    "这条链接只有今天有。",
    "这可不是什么话术，是我自己用出来的。",
    "调整好了，咱们继续看下一支。",
    "优化过的膏体更润了。",
    "设计上也很用心，一按就开。",
    "注意啦，马上要上链接了！",
    "温馨提示，敏感肌先试一下耳后。",
    "说明书里写得很清楚。",
    "全文字版的成分表在详情页。",
    "共计三支，一次带走。",
    "加油，姐妹们！",
    "欢迎刚进来的朋友！",
    "您觉得呢？",
    "祝福都在这支口红里了。",
)
KEPT_OPENINGS = (
    "好的，家人们，咱们直接看货。",
    "好的好的，我看到了，马上给你们上链接。",
    "当然可以退，七天无理由。",
    "没问题，放心拍！",
    "收到货的姐妹来说说感受。",
    "明白你们想看什么，先上嘴。",
    "今天为您准备了一支口红。",
    "为您介绍一支日常口红。",
    "我来给大家试个色。",
    "我来帮你们挑色号。",
    "这是一款放包里不占地方的口红。",
    "这是一支适合黄皮的口红：上嘴就提气色。",
    "以下是今天的三个福利：",
    "下面为大家介绍这支口红：",
    "马上就要上链接了！",
    "您好！欢迎来到直播间。",
    "你好呀，新来的朋友！",
    "根据大家的留言，我把色号排了一下。",
    "很高兴又见面了！",
)


@pytest.mark.parametrize("separator", SEPARATORS[:2], ids=["paragraph", "rule"])
@pytest.mark.parametrize("closing", CLOSINGS)
def test_a_closing_remark_in_its_own_paragraph_goes(closing: str, separator: str) -> None:
    assert clean(f"{SCRIPT}{separator}{closing}", TASK) == SCRIPT


@pytest.mark.parametrize("closing", PLAIN_CLOSINGS)
def test_a_plain_closing_remark_goes_from_the_last_line_too(closing: str) -> None:
    assert clean(f"{SCRIPT}\n{closing}", TASK) == SCRIPT
    assert clean(f"{SCRIPT}{closing}\n", TASK) == SCRIPT


@pytest.mark.parametrize("opening", OPENINGS)
def test_an_answer_to_the_order_in_front_goes(opening: str) -> None:
    assert clean(f"{opening}\n\n{SCRIPT}", TASK) == SCRIPT
    assert clean(f"{opening}\n{SCRIPT}", TASK) == SCRIPT


@pytest.mark.parametrize("line", [*KEPT, *KEPT_OPENINGS])
def test_what_a_host_says_to_viewers_stays(line: str) -> None:
    assert clean(line, TASK) == line
    assert clean(f"姐妹们看过来。{line}", TASK) == f"姐妹们看过来。{line}"
    assert clean(f"姐妹们看过来。\n\n{line}", TASK) == f"姐妹们看过来。\n{line}"
    assert clean(f"{line}姐妹们看过来。", TASK) == f"{line}姐妹们看过来。"


@pytest.mark.parametrize("closing", [c for c in CLOSINGS if c.startswith(("希望对", "如需调整", "祝您直播"))])
def test_a_remark_that_script_follows_is_not_its_end(closing: str) -> None:
    """Where script goes on, a sentence that may be a host's is one."""
    text = f"{SCRIPT}{closing}\n来，姐妹们，咱们接着看下一支。"
    assert clean(text, TASK) == text.replace("\n\n", "\n")


def test_script_that_follows_a_part_about_the_script_is_kept() -> None:
    explained = "## 创作思路\n先打招呼。\n风格：口语\n再讲卖点。\n"
    assert clean(f"{SCRIPT}\n{explained}正文：来，姐妹们看这里。", TASK) == f"{SCRIPT}\n来，姐妹们看这里。"
    assert (
        clean(f"{SCRIPT}\n{explained}## 第二段\n来，姐妹们看这里。", TASK) == f"{SCRIPT}\n来，姐妹们看这里。"
    )
    assert clean(f"{explained}正文：{SCRIPT}", TASK).endswith(SCRIPT)


WORDS = st.sampled_from(
    [
        *CLOSINGS,
        *OPENINGS,
        *KEPT,
        *KEPT_OPENINGS,
        SCRIPT,
        *(
            "\n",
            "\n\n",
            "---\n",
            "## ",
            "**",
            "- ",
            "（",
            "）",
            "：",
            "。",
            "！",
            "希望",
            "您",
            "如果",
            "最后，",
            "也",
            "祝",
        ),
        *("正文：", "修改说明：", "话术", "注：", "您好！", "好的，"),
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(WORDS, max_size=7).map("".join), st.data())
def test_the_stream_gives_what_the_whole_text_gives(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    whole = clean(text, TASK)
    for borders in ([0, *cuts, len(text)], list(range(len(text) + 1))):
        cleaner = StreamCleaner(TASK)
        given_out = [cleaner.feed(text[a:b]) for a, b in pairwise(borders)]
        assert "".join(given_out) + cleaner.finish() == whole


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=30).map("".join))
def test_script_that_goes_on_is_not_held_back(text: str) -> None:
    cleaner = StreamCleaner(TASK)
    cleaner.feed(text + "\n正文：姐妹们看这里。")
    flowing = "这支口红我自己也在用，" * 20
    assert flowing[:100] in cleaner.feed(flowing)


@pytest.mark.parametrize("first", ["（以上就是为您撰写的开场话术。", "（以上就是为您撰写的开场话术。\n"])
def test_a_bracket_that_is_never_closed_does_not_swallow_the_script(first: str) -> None:
    script = "".join(f"第{number}个颜色我先涂在手背上，你们看清楚再决定要不要。" for number in range(1, 9))
    kept = clean(first + script, TASK)
    assert kept
    assert script.endswith(kept)
    assert len(script) - len(kept) <= 120
    cleaner = StreamCleaner(TASK)
    assert "".join(map(cleaner.feed, first + script)) + cleaner.finish() == kept
