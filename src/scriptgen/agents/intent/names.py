"""Finds the person a script is for or in whose voice it is (target_name), by the patterns names stand in."""

from __future__ import annotations

import re

from .languages import LANGUAGE
from .lexicon import Lexicon, Mention
from .patterns import FORM

Span = tuple[int, int]

_N = r"([一-龥]{2,5}?|[a-z]{2,14}[姐哥酱]?|[一-龥]{1,2}[a-z]{1,10}|[a-z]{1,10}[一-龥])"
_VOICE = (
    r"(?:口吻|风格|语气|口气|说话方式|说话的?(?:感觉|样子|语气|风格|方式)|腔调|人设|调调|语感|style|"
    r"感觉|调性|样子|路子|那?个?味儿?|那?股?劲儿?|腔|话风|文风)"
)
#: 莉姐讲货的路子: what somebody does stands behind the name.
_DOES = (
    r"(?:平时|平常|一般|[讲卖说播带推聊][货品]|(?:直播|说话|讲话|介绍|讲解|卖东西|讲东西)(?:的?时候?)?){0,3}"
)
SURNAMES = (
    "赵孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹严华金魏陶姜戚谢邹喻柏窦章苏潘葛范彭郎鲁韦马苗方俞任袁柳"
    "鲍史唐费薛雷贺倪汤罗郝邬安乐傅康伍余顾孟黄穆萧尹姚邵汪祁毛狄戴宋庞熊舒屈祝董梁杜阮蓝闵季贾江童颜郭梅林"
    "钟徐邱骆高夏蔡田樊胡凌霍虞万柯卢莫房丁邓洪包左石崔龚程邢裴陆荣翁段侯温庄晏柴瞿阎连向古易廖耿文欧"
)
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?:主播|达人|博主|网红|up主|主持人|出镜人?|主讲人?)(?:的)?(?:名字?|名称|昵称)?[,，]?(?:就)?(?:是|叫|为|"
        r":|：|换成|改成|改为|替换为|替换成|换为|用|就是|写|换|改)\s*"
        + _N
        + r"(?=[,，。、!！?？:的\s;；]|$|写|来[一个段条份篇则版套点]|给|这|那|要|今|吧|哈|啊|了)",
        r"(?<!产品)(?<!商品)(?<!品牌)(?:名字|昵称|艺名|人名)(?:也|都)?(?:换成|改成|改为|换为)"
        + _N
        + r"(?=[,，。!！:\s]|$|吧)",
        r"(?:给|替|帮|为)(?:主播|达人|博主)?"
        + _N
        + r"(?:的直播间|直播间|的直播)?(?:也|再|重新|单独|今晚|明天|今天)?(?=写|来[一个段条份篇则版套点]|来$|"
        r"准备|弄|做[一个段]|出[一个段条]|整[一个段]|搞|生成|编|安排|定制|设计|补)",
        r"(?:换成|改成|改为|变成|换为|用|拿|借|按照|按|照着|照|模仿|仿照|仿|学着|学一下|学学|学习|学|像|以|参考|换|整成|"
        r"转成|切换成|切成|写成|做成|调成|套用|贴近)"
        + _N
        + _DOES
        + r"(?:那种|这种|那样|那个|自己|那|这)?的?(?:直播)?"
        + _VOICE,
        r"(?:^|[,，。!！?？\s])(?:那|请问|想问下?)?" + _N + r"(?:平时|平常|一般|直播时?|说话|讲话|"
        r"[讲卖说播带推聊][货品]|卖东西|讲东西|介绍东西)+(?:都|的)?(?:是|用|走)?(?:什么|啥|怎么|哪种|咋|"
        r"个?风格|语气)",
        r"(?:^|[,，。!！?？\s])(?:那|请问)?"
        + _N
        + _DOES
        + r"(?:的|是)?(?:什么|啥|哪种|哪一种)(?:样的?)?"
        + _VOICE,
        r"(?:^|[,，。!！?？\s])(?:那|请问)?"
        + _N
        + _DOES
        + r"(?:的)?"
        + _VOICE
        + r"(?:是什么|是啥|怎么样|啥样|什么样|是怎样|偏)",
        r"(?:这次|这回|这版|这条|这个)(?:是)?(?:给|替|帮)" + _N + r"(?=$|[,，。!！\s])",
        r"(?:换成|改成|整成|弄成|学|像|按)" + _N + r"那[种样](?:的|儿)?(?=$|[,，。!！\s])",
        r"^(?:请问)?" + _N + r"(?:这个?(?:主播|达人|人)|老师)?(?:是谁|是哪位|是哪个|是干啥的|是做什么的)",
        r"(?:由|让|请|轮到|[换改]成|换|改由)"
        + _N
        + r"(?:来播|来讲|来念|来说|来读|来录|来卖|来带|来(?=$|[,，])|主播|直播|讲解|播|念|出镜)",
        r"(?:主播|达人|博主)" + _N + r"(?=[,，。、!！?？的\s]|$|要|今|用|写|也)",
    )
)
_NICKNAME = re.compile(
    r"(?:我是|我叫|场是|播是|给|^|[,，。\s把])(?:给|帮|替|由)?((?:小|阿|大|老)(?:[一-龥]{1,2}?|[a-z]{2,8})(?:姐|哥|酱|妹|叔|爷|老师|宝)?|"
    r"[一-龥]{1,3}(?:姐|哥|酱|妹妹?|叔|老师|同学|妈|爸|嫂|婶|姨|爷|总|工|导)|[a-z]{2,12}|(?P<char>[一-龥])(?P=char))"
    r"(?=[今明后昨]晚|[今明后]天|晚上|下午|上午|中午|周[一二三四五六日末]|[一-龥]{0,2}[讲说聊播推带卖](?![得的过完了不荐起到给动])(?:一?[个款场段]|货|品|$|[一-龥]{2,6}[,，])|要播|要(?:的|一[段个条])|[要想](?:种草|推|带货|介绍)|要用|用的|来播|直播|开播|的(?:直播|开场|专场|号|场子)|要?卖|要讲|主播|达人|要?上播|要?开播|马上|准备|[,，]|"
    r"那段|那版|那条)"
)
#: 种草文案，给米粒妈: at the end of a clause only what is plainly a name.
_GIVEN = re.compile(
    r"(?:^|[,，。\s])[给替帮]((?:小|阿|大|老)[一-龥]{1,2}|[一-龥]{1,3}(?:姐|哥|酱|妹|叔|老师|妈|爸|嫂|婶|姨|爷|总|工|导))"
    r"(?=$|[,，。!！的])"
)
#: The person's own version of a script: 李姐版, 大鹏哥版本.
_VERSION_OF = re.compile(
    r"(?:换成|改成|改为|整成|转成|来个|出个)((?:小|阿|大|老)[一-龥]{1,2}(?:姐|哥|酱|妹|叔|老师)?|"
    r"[一-龥]{1,3}(?:姐|哥|酱|妹|叔|老师))(?:的)?版"
)
#: 周小棠今晚的场子: a full name is one by its family name, and by what it stands before.
_SURNAMED = re.compile(
    r"(?:^|[,，。\s]|给|帮|替|把|是|[今明]晚|今天|明天)((?:欧阳|上官|司马|诸葛|夏侯|["
    + SURNAMES
    + r"])[一-龥]{1,2}?)"
    r"(?=(?:[今明后昨]晚|[今明后昨]天|周[一二三四五六日末]|晚上|下午|早上|中午|这场|下场|那场)?"
    r"(?:的(?:场子?|直播间?|专场|开场|场次|风格|号)|要(?:直播|开播|播|上播|卖|带货|用)|直播要用|来播|开播|上播|用的|带货|这场|那场))"
)
#: Characters that go on with the sentence rather than with a name.
_NO_GIVEN_NAME = "也要来想接继跟同替帮今明后晚下上播带卖讲开的了是主让由在又再还都就将嗯哦啊哈好行呃诶欸唉先"
_GIVEN_NAME = rf"(?:(?![{_NO_GIVEN_NAME}])[一-龥])"
#: 顾北北也要播, 苏苏接着播, 何其乐今晚替她播: somebody else who goes on air with it.
_AIRS_TOO = re.compile(
    r"(?:^|[,，。\s]|品|款|这个|同款|接着|接下来|然后|后面|[上下]半场|[今明后昨]?[晚天]|晚上|下午|上午|中午|还有|另外|轮到|轮|[换改]成?|改由|改让|由|让|是|叫|[姐哥妹弟]|她|他|的|场|时段|到了|主播)"
    rf"((?:小|阿|大|老)(?:{_GIVEN_NAME}{{1,2}}|[a-z]{{2,8}})|{_GIVEN_NAME}{{1,3}}[姐哥酱妹叔妈爸嫂婶姨爷]|(?P<char>{_GIVEN_NAME})(?P=char)|"
    rf"(?:欧阳|上官|司马|诸葛|夏侯|[{SURNAMES}]){_GIVEN_NAME}{{1,2}}|[a-z]{{3,10}})"
    r"(?=,?说?(?:[她他][,，]?)?(?:今晚|明晚|今天|明天|后天|晚上|下午|上午|中午|待会儿?|等会儿?|马上|这场|下场)?"
    r"(?:(?:(?:也|要|想|来|接着|继续|跟着|接力|同样|替[她他我]|帮[她他我]|接[她他我]|代|得|会|准备|一起|一块儿?|单独|又|再|顶|接|接班|替班|代班|顶班|接手|上场|上来|过来){1,4}"
    r"(?:直播|开播|上播|[播卖讲上推用]|带货|带|场))|[要来去得]?(?:接班|接手|顶班|代班|接棒|救场|替班)了?(?=$|[,，。\s])|(?:来播|上播|开播|接播|接力|接班|接手|接棒|顶班|顶上|播|上)(?=$|[,，。\s了这吧呢])))"
)
_NOT_SURNAMED = re.compile(
    r"马上|高[端级档]|温[柔馨暖]|方便|安[全排]|任[何意]|时[间尚候]|常[见用规]|平[时常价]|黄[金色]|白色|金色|"
    r"明[天晚]|向来|连[着夜]|左右|万一|全[场部]|文[艺案]|古[风典]|车[上里]|包邮|江南|童[装年趣]|"
    r"周[一二三四五六日末年]|夏[天季日]|安静|谢谢|多谢"
)
#: 郑多多: behind a family name even a common doubled word is a given one.
_DOUBLED = re.compile(rf"[{SURNAMES}](?P<char>[一-龥])(?P=char)")
#: 换成文言文风格: a language or a form is nobody.
_NOT_A_VOICE = re.compile(rf"{LANGUAGE}|{FORM}|文言|白话|口头|书面")
#: 帮我提提: a doubled verb is nobody.
_ACTIONS = frozenset(
    "改写想提救来快急用换弄整帮瞧问听念练播卖加减删补调理顺捋走等玩逛挑选比品尝闻摸求讲说聊看试搞做润磨"
)
#: help, 要个无人机的: English words that stand where a name would.
_ENGLISH_WORDS = frozenset(
    {
        "help",
        "hi",
        "hello",
        "hey",
        "ok",
        "okay",
        "need",
        "please",
        "pls",
        "thx",
        "thanks",
        "want",
        "sos",
        "asap",
    }
)
#: Last characters of names of things that are as common in names of people.
_GIVEN_NAME_ENDS = frozenset("玉珠金银花桃杏米豆果石参茶蜜酒糖梨枣球钻珊琴棋书")
_TITLES = frozenset("姐哥酱妹叔妈爸嫂婶姨爷总师")
#: 豆豆妈妈: somebody who goes by the name of a child.
_PARENT = re.compile(r"(?P<child>[一-龥]{1,3})(?:妈妈|爸爸|妈咪|爹地|麻麻|粑粑)")
#: Doubled words that are no child's name; 天天 and 多多 are.
_NO_CHILD = frozenset("宝奶爷哥姐妹弟叔太谢刚常人仅")
#: 二胎妈妈, 职场妈妈: whom something is for.
_ANY_PARENT = re.compile(
    r"孩子|职场|全职|单亲|[一二三四两多几][胎娃宝]|年轻|新晋|准|\d后|高龄|家庭|各位|所有|每位|[许很]多|不少|学霸|精致|上班|打工|"
    r"同龄|身边|别家|天下|带娃|外地|城市|农村|爱美|理性|科学|孕|产后|哺乳|背奶|敏感|宝藏|婆婆|爷爷|奶奶|时尚|时髦|焦虑|伟大|"
    r"[给帮替为像学当做]|[的党系位]$"
)
_PRONOUN = re.compile(
    r"(?:她|他|这个?(?:达人|主播|博主)|那个?(?:达人|主播|博主)|该达人|同一个?(?:达人|主播))(?!们)"
)


def find_name(text: str, lexicon: Lexicon, mentions: list[Mention]) -> Span | None:
    """The span of the person's name in normalised `text`."""
    for pattern in (_AIRS_TOO, *_PATTERNS, _VERSION_OF, _NICKNAME, _GIVEN, _SURNAMED):
        # A refused match may hide a good one that begins inside it (帮我给陈姐写), hence the step by step.
        match = pattern.search(text)
        while match:
            span = match.span(1)
            if is_name(text[span[0] : span[1]], span, lexicon, mentions):
                return span
            match = pattern.search(text, match.start() + 1)
    return None


def refers_to_a_person(text: str) -> bool:
    """Whether a pronoun stands for a person of an earlier turn."""
    return bool(_PRONOUN.search(text))


def is_name(name: str, span: Span, lexicon: Lexicon, mentions: list[Mention]) -> bool:
    """Whether `name`, which stands at `span`, may be a person's by what it is made of."""
    if parent := _PARENT.fullmatch(name):
        return _is_a_child(parent["child"], lexicon)
    if (
        name[-1] == "家"
        or name in _ENGLISH_WORDS
        or _NOT_SURNAMED.match(name)
        or (lexicon.not_names.search(name) and not _DOUBLED.fullmatch(name))
        or name in lexicon.product_category
    ):
        return False
    if _NOT_A_VOICE.match(name) or (name[0] in _ACTIONS and name[0] * 2 == name):
        return False
    # 给打底霜写 and 给抽屉柜写 are for things, 给周小玉写 is not.
    personal = len(name) < 3 or name[-1] in _GIVEN_NAME_ENDS | _TITLES or name[0] in SURNAMES + "小阿大老"
    if not personal and lexicon.category_of(name):
        return False
    # 童车 and the mistyped 毛依 have the shape of a family name and a given one.
    if name in lexicon.suffix_category or lexicon.misspelt(name):
        return False
    # 可乐姐 holds a product word and is a person all the same.
    called = name[-1] in _TITLES
    return not any(
        m.start < span[1] and span[0] < m.end and not (called and span[0] <= m.start and m.end < span[1])
        for m in mentions
    )


def _is_a_child(name: str, lexicon: Lexicon) -> bool:
    """Whether somebody may go by the name of this child (豆豆妈妈), not by what they are (二胎妈妈)."""
    if len(name) == 2 and name[0] == name[1]:
        return name[0] not in _ACTIONS | _NO_CHILD
    return len(name) > 1 and not (_ANY_PARENT.search(name) or lexicon.not_names.search(name))
