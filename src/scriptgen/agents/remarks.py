"""What a model adds for the operator after a script: wishes, offers, notes, explanations. It judges
sentences by whom they address and what they are about; what follows from their place is `sentence_filter`'s.
"""

from __future__ import annotations

import re
from enum import IntEnum
from itertools import product
from typing import Final

from .addressee import ABOUT_THE_TEXT, FRAME_LIMIT, TEXT, THE_TEXT, YOU, to_viewers, words

#: An explanation of the script may be longer than other remarks: nobody on air begins with 这段话术.
_EXPLANATION_LIMIT: Final = 200
_SUBJECT: Final = 16  # characters in which such an explanation has named the text


class Remark(IntEnum):
    """How surely a sentence is meant for the operator."""

    NONE = 0
    POSSIBLE = 1  # a host may say it too: only at the very end and apart from the script
    LIKELY = 2  # at the very end
    CERTAIN = 3  # wherever it stands


_NOTES: Final = words("注： 注: 备注： 备注: 附注： 说明： （注 (注 【注 （备注 (备注 （说明 (说明")
_COUNTS: Final = (
    *words("字数 总字数 全文 本文共 共计 （以上 （全文 （约 （共 （字数 （总 【字数"),
    *words("(以上 (全文 (约 (共 (字数 (总"),
    "Word count",
)
_EXPLANATIONS: Final = (
    *map("".join, product(("这", "这一", "整", "上述", "以上这"), "段份篇版则套条")),
    *map("".join, product("该本此", ("话术", "文案", "脚本", "口播", "稿"))),
)
_WISHES: Final = (
    *words("希望 但愿 愿这 愿您 愿你 祝 预祝 以上 上述 如需 如有 如想 如对 如仍 随时 加油"),
    *words("请告诉我 请您 请问 请随时 请根据"),
    *words(
        "有任何 有需要 有其他 还有其他 还有什么 还需要 是否需要 是否还需要 需要我 需要其他 需要调整 需要修改"
    ),
    *words(
        "要不要我 欢迎随时 欢迎您 您看这 您看是否 您觉得这 您可以告诉我 期待您的 期待你的 可以根据 可根据"
    ),
    *words("感谢您的使用 感谢您的提问 感谢您的耐心 很高兴为您 很高兴能为您 很乐意为您"),
    *words("主播可 主播在 主播们可 建议主播 建议您 建议在直播 直播时可 直播中可 使用时可"),
    *map("".join, product("您你", ("", "也"), ("可以根据", "可根据"))),
    *map(
        "".join,
        product(
            ("如果", "若", "要是", "假如"),
            ("", "您", "你"),
            words("需要 需 还 有其他 有任何 有别的 有更多 有什么 有需 有特 有不 想 希望 觉得 认为 要 对 不"),
        ),
    ),
    *("I hope this", "Hope this", "Let me know if", "Feel free to", "If you need", "If you'd like"),
    *("If you want", "Would you like me", "Please let me know"),
)
_UNHEARD: Final = (*_NOTES, *_COUNTS)
_LEADS: Final = (*_UNHEARD, *_EXPLANATIONS, *_WISHES)
#: How a model goes on once it has begun to speak to the operator.
_GOING_ON: Final = (
    *words("整体 语气 语言 语速 内容 通过 既 其中 主播 请 建议 可 也可 突出 结合 营造 适合 节奏"),
    *words("期待 感谢 如 若 希望 祝 您 你可 并 我"),
)
_CONNECTIVES: Final = words("最后也 另外 此外 同时 当然 最后 再次 也")
_CONNECTED: Final = re.compile(rf"(?:{'|'.join(_CONNECTIVES)})[，,]?")

#: Every beginning of a sentence that may still grow into one of these.
_GROWING: Final = frozenset(
    lead[:length] for lead in (*_LEADS, *_CONNECTIVES) for length in range(len(lead) + 1)
)
_FIRST: Final = frozenset(lead[0] for lead in _LEADS)
_GROWING_ON: Final = frozenset(lead[:length] for lead in _GOING_ON for length in range(1, len(lead) + 1))

_CERTAIN: Final = re.compile(
    rf"希望(?:这|以上|上述).*?(?:{ABOUT_THE_TEXT.pattern})"
    rf"|(?:以上|上述).*?(?:{TEXT}|[为给帮替]{YOU}.*?(?:写|撰|生成|创作|定制|整理|内容)|仅?供您?参考)"
    rf"|如需.*?(?:{TEXT})|如果{YOU}需要.*?(?:{TEXT})",
    re.IGNORECASE,
)
_TO_A_SELLER: Final = re.compile(
    rf"(?:祝|预祝|愿)(?:{YOU})?.{{0,12}}(?:直播|带货|开播|销售|生意|大卖|热卖|爆单|业绩|销量)"
    rf"|{YOU}的?(?:直播|粉丝|观众|品牌|店铺|主播|团队|需求|要求|预期)"
)
_HELPED: Final = re.compile(rf"对{YOU}(?:能|会)?有所?帮助|帮助?得?到{YOU}|(?:满足|符合){YOU}|对{YOU}有用")
_TEACHING: Final = re.compile(r"讲解|分享|介绍|推荐|解答|回答|技巧|办法|方法")
_CHANGE: Final = (
    r"(?:调整|修改|改动|补充|优化|完善|精简|扩写|细化|定制|进一步|(?:继续|重新|再)[写改来]|换一?[种个版]"
    rf"|(?:其他|别的|更多|不同|另一)[^，。]{{0,4}}(?:风格|版本|场景|类型|品类|需求|需要|要求)|{TEXT}|版本)"
)
_OFFER: Final = re.compile(
    rf"{_CHANGE}.*?(?:我|随时|告知|告诉|请|欢迎|尽管|吗|反馈|沟通)|(?:我|帮{YOU}).*?{_CHANGE}"
    r"|(?:help|change|adjust|revis|tweak|modif|version|script)",
    re.IGNORECASE,
)
_ADVICE: Final = re.compile(
    rf"(?:[您你]?也?可|请|主播|建议|直播|使用).*?(?:直播|现场|语气|口吻|节奏|人设|风格|实际情况|{TEXT})"
)
_POLITE: Final = re.compile(
    rf"(?:希望|愿){YOU}(?:能|会)?(?:喜欢|满意|采纳)|期待{YOU}的|感谢{YOU}的|很高兴|很乐意|加油|随时|您看|您觉得"
    r"|(?:问题|疑问|需要|需求|想法|建议|意见|帮助|满意|地方).*?(?:告诉|告知|联系|咨询|[问找和跟]我|提出|反馈|沟通|说)"
)

_HEADINGS: Final = tuple(
    map(
        "".join,
        product(
            words("修改 改动 优化 调整 改写 创作 设计 写作 话术 文案 脚本 补充"),
            words("说明 思路 解析 要点 亮点 建议 点 技巧 特点 策略 分析"),
        ),
    )
)
_GROWING_HEADINGS: Final = frozenset(
    f"{heading}如下"[:length] for heading in _HEADINGS for length in range(len(heading) + 3)
)
_CLOSING_HEADING: Final = re.compile(rf"(?:{'|'.join(_HEADINGS)})(?:如下)?(?:[：:]|[ ]*(?:\n|\Z))")


def remark_of(unit: str, *, following: bool) -> Remark:
    """What a whole sentence is. `following`: the one before it was a remark."""
    core = _core(unit)
    if not following and core[:1] not in _FIRST:
        return Remark.NONE
    if core.startswith(_UNHEARD):
        about = len(core) <= FRAME_LIMIT and (core.startswith(_NOTES) or ABOUT_THE_TEXT.search(core))
        return Remark.CERTAIN if about else Remark.NONE
    if core.startswith(_EXPLANATIONS) and _explains(core):
        return Remark.LIKELY
    if len(core) > FRAME_LIMIT or to_viewers(core):
        return Remark.NONE
    remark = _wish(core) if core.startswith(_WISHES) else Remark.NONE
    if remark is Remark.NONE and following and core.startswith(_GOING_ON):
        return Remark.POSSIBLE
    return remark


def may_become_remark(beginning: str, *, following: bool) -> bool:
    """Whether a sentence that begins like this may still turn out to be one."""
    core = _core(beginning)
    if core in _GROWING or (following and core in _GROWING_ON):
        return True
    if not following and core[:1] not in _FIRST:
        return False
    if core.startswith(_EXPLANATIONS) and (len(core) < _SUBJECT or _explains(core)):
        return not to_viewers(core[:_SUBJECT])
    if len(core) > FRAME_LIMIT:
        return False
    if core.startswith(_UNHEARD):
        return True
    begins = core.startswith(_LEADS) or (following and core.startswith(_GOING_ON))
    return begins and not to_viewers(core)


def opens_bracket(unit: str) -> bool:
    """Whether a remark stands in a bracket that is still open at its end."""
    text = unit.strip()
    return text[:1] in {*"（(【["} and not any(mark in text for mark in "）)】]")


def is_closing_heading(line: str) -> bool:
    """Whether a line begins a part about the script: 修改说明：."""
    return _CLOSING_HEADING.match(line) is not None


def may_be_closing_heading(beginning: str) -> bool:
    """Whether such a line may begin like this."""
    return beginning.rstrip(" ") in _GROWING_HEADINGS


def _explains(core: str) -> bool:
    subject = core[:_SUBJECT]
    return (
        len(core) <= _EXPLANATION_LIMIT and THE_TEXT.search(subject) is not None and not to_viewers(subject)
    )


def _wish(core: str) -> Remark:
    if _CERTAIN.match(core):
        return Remark.CERTAIN
    if _HELPED.search(core) and _TEACHING.search(core):
        return Remark.POSSIBLE
    if any(sign.search(core) for sign in (_TO_A_SELLER, _HELPED, _OFFER)) or _ADVICE.match(core):
        return Remark.LIKELY
    return Remark.POSSIBLE if _POLITE.search(core) else Remark.NONE


def _core(text: str) -> str:
    """Without the connective in front: 最后，祝您直播顺利."""
    text = text.strip()
    found = _CONNECTED.match(text)
    return text[found.end() :] if found else text
