"""Whom a sentence addresses: viewers, who hear the script, or the operator who ordered it."""

from __future__ import annotations

import re
from typing import Final

#: Characters of a sentence to the operator; anything longer is taken for script.
FRAME_LIMIT: Final = 80
YOU: Final = r"[您你](?!们)"
#: Words for the text itself, which nobody on air speaks of.
TEXT: Final = (
    r"话术|文案|脚本|口播|台词|稿子|文稿|稿件|初稿|改写|润色|撰写|字数|措辞|篇幅|\d+\s?字"
    r"|script|version|draft"
)
ABOUT_THE_TEXT: Final = re.compile(
    rf"{TEXT}|稿|版本|优化|翻译|修改|生成|要求|调整|实际情况|供您?参考", re.IGNORECASE
)
THE_TEXT: Final = re.compile(TEXT, re.IGNORECASE)
_TO_VIEWERS: Final = re.compile(
    r"大家|各位|姐妹|姐们|宝宝|宝子|宝贝|宝妈|家人|亲们|亲爱的|朋友|老铁|兄弟|哥哥|粉丝们|你们|您们|咱"
    r"|公屏|评论|弹幕|扣\d|扣个|打在|链接|小黄车|购物车|购物袋|下单|拍下|客服|主页|关注"
    r"|点赞|福利|主播我|我家|我们家"
    r"|今天|今晚|今儿|明天|明晚|下次|下一|下场"
    r"|[这那][款支瓶件双盒]|[买穿涂戴尝喝]"
)


def words(text: str) -> tuple[str, ...]:
    """A list of words as it is written below: parted by white space."""
    return tuple(text.split())


def to_viewers(text: str) -> bool:
    """Whether something in `text` is only said to those who watch."""
    return _TO_VIEWERS.search(text) is not None
