"""Finds the person a script is for or in whose voice it is (target_name), by the patterns names stand in."""

from __future__ import annotations

import re

from .lexicon import Lexicon, Mention

Span = tuple[int, int]

_N = r"([一-龥]{2,5}?|[a-z]{2,14})"
_VOICE = (
    r"(?:口吻|风格|语气|口气|说话方式|说话的?(?:感觉|样子|语气|风格|方式)|腔调|人设|调调|语感|style|"
    r"感觉|调性|样子|路子|那个味|话风|文风)"
)
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:主播|达人|博主|网红|up主|主持人|出镜人?|主讲人?)(?:的)?(?:名字|名称|昵称)?(?:是|叫|为|"
        r":|：|换成|改成|改为|用|就是|写)\s*"
        + _N
        + r"(?=[,，。、!！?？的\s;；]|$|写|来[一个段]|给|这|那|要|今|吧|哈|啊|了)",
        r"(?<!产品)(?<!商品)(?<!品牌)(?:名字|昵称|艺名|人名)(?:也|都)?(?:换成|改成|改为|换为)"
        + _N
        + r"(?=[,，。!！\s]|$|吧)",
        r"(?:给|替|帮|为)(?:主播|达人|博主)?"
        + _N
        + r"(?:的直播间|直播间|的直播)?(?:也|再|重新|单独|今晚|明天|今天)?(?=写|来[一个段条份]|来$|"
        r"准备|弄|做[一个段]|出[一个段条]|整[一个段]|搞|生成|编|安排|定制|设计|补)",
        r"(?:换成|改成|改为|变成|换为|用|按照|按|照着|照|模仿|仿照|仿|学着|学|像|以|参考|换|整成|"
        r"转成|切换成|切成|写成|做成|调成|套用|贴近)"
        + _N
        + r"(?:平时|那种|这种|那样|自己)?的?(?:直播)?"
        + _VOICE,
        r"(?:^|[,，。!！?？\s])(?:那|请问|想问下?)?"
        + _N
        + r"(?:平时|平常|一般|直播时?|说话|讲话|带货)+(?:都|的)?(?:是|用)?(?:什么|啥|怎么|哪种|咋|"
        r"个?风格|语气)",
        r"(?:^|[,，。!！?？\s])(?:那|请问)?" + _N + r"(?:的|是)?(?:什么|啥|哪种|哪一种)(?:样的?)?" + _VOICE,
        r"(?:^|[,，。!！?？\s])(?:那|请问)?"
        + _N
        + r"(?:的)?"
        + _VOICE
        + r"(?:是什么|是啥|怎么样|啥样|什么样|是怎样|偏)",
        r"(?:由)" + _N + r"(?:来播|来讲|主播|直播|讲解|播|出镜)",
        r"(?:主播|达人|博主)" + _N + r"(?=[,，。、!！?？的\s]|$|要|今|用|写)",
    )
)
_NICKNAME = re.compile(
    r"(?:我是|我叫|^|[,，。\s把])((?:小|阿|大|老)[一-龥]{1,2}(?:姐|哥|酱|妹|叔|爷|老师|宝)?|"
    r"[一-龥]{1,3}(?:姐|哥|酱|妹妹?|叔|老师|同学))"
    r"(?=今晚|今天|明天|明晚|要播|要用|用的|来播|直播|开播|的(?:直播|开场|专场)|要?卖|要讲|[,，]|"
    r"那段|那版|那条)"
)
#: The person's own version of a script: 李姐版, 大鹏哥版本.
_VERSION_OF = re.compile(
    r"(?:换成|改成|改为|整成|转成|来个|出个)((?:小|阿|大|老)[一-龥]{1,2}(?:姐|哥|酱|妹|叔|老师)?|"
    r"[一-龥]{1,3}(?:姐|哥|酱|妹|叔|老师))(?:的)?版"
)
_PRONOUN = re.compile(
    r"(?:她|他|这个?(?:达人|主播|博主)|那个?(?:达人|主播|博主)|该达人|同一个?(?:达人|主播))(?!们)"
)


def find_name(text: str, lexicon: Lexicon, mentions: list[Mention]) -> Span | None:
    """The span of the person's name in normalised `text`."""
    for pattern in (*_PATTERNS, _VERSION_OF, _NICKNAME):
        # A refused match may hide a good one that begins inside it (帮我给陈姐写), hence the step by step.
        match = pattern.search(text)
        while match:
            span = match.span(1)
            if _is_name(text[span[0] : span[1]], span, lexicon, mentions):
                return span
            match = pattern.search(text, match.start() + 1)
    return None


def refers_to_a_person(text: str) -> bool:
    """Whether a pronoun stands for a person of an earlier turn."""
    return bool(_PRONOUN.search(text))


def _is_name(name: str, span: Span, lexicon: Lexicon, mentions: list[Mention]) -> bool:
    if lexicon.not_names.search(name) or name in lexicon.product_category:
        return False
    return not any(m.start < span[1] and span[0] < m.end for m in mentions)
