"""Finds who takes the place of whom in a script (主播名阿飞改成大力): the new name is the one asked for.

What may be a name is decided in names.py.
"""

from __future__ import annotations

import re

from .lexicon import Lexicon, Mention
from .names import SURNAMES, Span, is_name

_PERSON = (
    r"(?:小|阿|大|老)[一-龥]{1,2}(?:姐|哥|酱|妹|叔|老师)?|[一-龥]{1,3}(?:姐|哥|酱|妹|叔|老师|妈|爸|嫂|婶|姨|爷)|"
    rf"(?P<twice>[一-龥])(?P=twice)|[{SURNAMES}][一-龥]{{2}}"
)
_PERSON_ALONE = re.compile(_PERSON)
_INTO = (
    r"(?:这个名字?|的名字?|这个称呼|[两三四]个字)?(?:都|全部?|统一|一律|再|也|直接)*"
    r"(?:换成|换为|换作|改成|改为|改作|改叫|替换成|替换为|变成|写成|换|改|→)(?:主播|达人|博主)?"
)
_NEW = r"(?P<new>[一-龥]{2,5}?|[a-z]{2,14})(?=$|[,，。!！:：;；\s]|吧|呗|就行|这个名字)"
_NEW_PERSON = rf"(?P<new>{_PERSON})(?=$|[,，。!！\s]|吧)"
_ROLE = r"主播|达人|博主|昵称|人名"
_LABEL = rf"{_ROLE}|网红|主持人|出镜人|主讲人|(?<!产品)(?<!商品)(?<!品牌)名字?|艺名"
_OLD = r"(?P<old>[一-龥]{2,5}?|[a-z]{2,14})"
#: Somebody takes the place of somebody: the second is the one the script is for.
_RENAMES = tuple(
    re.compile(pattern)
    for pattern in (
        # 主播名阿飞改成大力
        rf"(?:{_LABEL})的?(?:名字?|昵称)?(?:从|由|原来的?|里面?的?|:)*{_OLD}{_INTO}{_NEW}",
        # 把里面的小鹿酱全换成糖糖
        rf"(?:(?:^|[,，。\s])(?:把|将|给|里面?的?)*+|[把将里的])(?P<old>{_PERSON}){_INTO}{_NEW}",
        # 主播的名字换一下，换成豆包姐
        rf"(?:{_ROLE}|名字)[^,，。]{{0,4}}(?:[换改](?:一?下|个|了|掉)?|不对|有误)[,，](?P<old>){_INTO}成?{_NEW}",
        # 不是林小满播了，换成阿木
        rf"(?:播了?|讲了?|念了?|请假了?|换人了?|上不了),(?:主播|名字)?(?P<old>){_INTO}{_NEW_PERSON}",
        # 不叫小鹿酱了，改叫米粒妈
        rf"(?<!产品)(?<!商品)(?P<old>)(?:改叫|改名叫?|改名为|以后叫|现在叫){_NEW_PERSON}",
        # 主播不叫苏苏姐，叫苏苏妈; 主播名打错了，应该是苏酥姐
        rf"(?:{_ROLE}|名字)[^,，]{{0,4}}(?:不叫(?P<old>[一-龥a-z]{{2,5}}?)|错)了?[,，]?(?:应该|就|改)?[是叫]{_NEW}",
        # 主播写错了，不是小鹿酱是小鹿姐
        rf"(?:{_ROLE}|名字)[^是叫]{{0,8}}(?:不是|不叫)(?P<old>[一-龥a-z]{{2,6}}?)[,，]?而?(?:是|叫){_NEW}",
    )
)
_MAY_RENAME = re.compile(r"[换改替→]|[变写]成|不[是叫]|[后现]在?叫|错")
#: 黄色改成红色, 小码改成中码: these begin like a family name or a nickname.
_OF_A_THING = re.compile(r"[色价款码号箱节天月日年度字屏声店角]$")


def find_new_name(
    text: str, pairs: list[re.Match[str]], lexicon: Lexicon, mentions: list[Mention]
) -> Span | None:
    """The span of the new name in normalised `text`, or in the quoted `pairs` that were blanked there."""
    for pair in pairs:
        persons = all(_PERSON_ALONE.fullmatch(pair[side]) for side in ("old", "new"))
        if persons and _are_names(pair, lexicon, []):
            return pair.span("new")
    if not _MAY_RENAME.search(text):
        return None
    for pattern in _RENAMES:
        match = pattern.search(text)
        while match:
            if _are_names(match, lexicon, mentions):
                return match.span("new")
            match = pattern.search(text, match.start() + 1)
    return None


def _are_names(match: re.Match[str], lexicon: Lexicon, mentions: list[Mention]) -> bool:
    return all(
        is_name(match[side], match.span(side), lexicon, mentions) and not _is_a_thing(match[side])
        for side in ("old", "new")
        if match[side]
    )


def _is_a_thing(word: str) -> bool:
    full_name = len(word) == 3 and word[0] in SURNAMES
    return not full_name and bool(_OF_A_THING.search(word))
