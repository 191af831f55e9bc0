"""Labels that models put in front of a script's parts and that nobody says on air (开场：, 标题：)."""

from __future__ import annotations

import re
from typing import Final

_PARTS: Final = (
    *(
        "开场白",
        "开场",
        "开头",
        "开篇",
        "引入",
        "正文",
        "话术",
        "脚本",
        "文案",
        "口播稿",
        "口播",
        "主播",
        "旁白",
    ),
    *(
        "台词",
        "结尾",
        "收尾",
        "结束语",
        "互动",
        "留人",
        "促单",
        "逼单",
        "促销",
        "卖点",
        "产品介绍",
        "卖点介绍",
    ),
    *("引导下单", "行动号召", "转化", "售后答疑", "下播", "内容", "完整话术", "直播话术", "带货话术", "示例"),
    *("修改后", "优化后", "改写后", "翻译", "译文", "第一段", "第二段", "第三段", "第四段", "版本"),
)
_SUFFIXES: Final = ("", "话术", "部分", "环节", "文案", "互动", "介绍", "版本")
_METADATA: Final = (
    *(
        "标题",
        "时长",
        "字数",
        "场景",
        "风格",
        "关键词",
        "目标人群",
        "受众",
        "平台",
        "语气",
        "背景音乐",
        "画面",
    ),
    *("镜头", "动作", "道具", "类目", "品类", "主题", "产品名称", "达人", "达人姓名"),
)
_ORDINALS: Final = "0-9一二三四五六七八"

LABELS: Final = frozenset(part + suffix for part in _PARTS for suffix in _SUFFIXES)
_PREFIXES: Final = frozenset(
    label[:length] for label in (*LABELS, *_METADATA) for length in range(1, len(label) + 1)
)
_ALTERNATIVES: Final = "|".join(sorted(map(re.escape, LABELS), key=len, reverse=True))

#: A part's label at the start of a line, with its colon or alone on the line; only the label goes.
LABEL_LINE: Final = re.compile(rf"(?:{_ALTERNATIVES})[{_ORDINALS}]{{0,2}}[ ]{{0,2}}(?:[：:]|(?=\n))")
#: A line that describes the script; all of it goes.
METADATA_LINE: Final = re.compile(rf"(?:{'|'.join(_METADATA)})[ ]{{0,2}}[：:]")

_LABEL_PART: Final = re.compile(rf"(?P<name>\D*?)(?:[{_ORDINALS}]{{0,2}})[ ]{{0,2}}\Z")


def is_label(text: str) -> bool:
    """Whether the content of a bracket is a label: 开场, 产品介绍1."""
    return text.strip().rstrip("0123456789一二三四五六七八：:") in LABELS


def is_label_prefix(text: str) -> bool:
    """Whether `text` may be the beginning of a label line that is not complete yet."""
    if len(text) > 16:
        return False
    part = _LABEL_PART.match(text)
    return part is not None and (part["name"] in _PREFIXES or text in _PREFIXES)
