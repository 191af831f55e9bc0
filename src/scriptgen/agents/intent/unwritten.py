"""Tells by what is not there yet that a script is wanted: a product that lacks a scene, a session to come.

Says nothing of requests that ask for a script in so many words.
"""

from __future__ import annotations

import re

from .patterns import TAKE
from .signals import Signals

#: Characters before a scene that are looked at.
_NEAR = 12
#: 字帖还差个逼单, 跳绳还没有卖点介绍: before the scene that a product has no script of.
_LACKED_BEFORE = re.compile(
    r"(?:[还就只又单也](?:差|缺|少)了?|(?:差|缺|少|漏)了?(?=一?[个段条份篇版])|漏写了?|还?没写|还没(?:有|出|弄|做|给)?)"
    r"(?:一?[个段条份篇版])?(?:产品|新)?的?$"
)
_LACKED_HERE = re.compile(
    r"(?:的?话术|文案|稿子?|词|环节|那?[段条])?(?:没有?写?|没弄|[的了呢啊吧呀])*(?=$|[,，。!！;；\s])"
)
#: 开场还没有, 逼单漏了: behind it.
_LACKED_AFTER = re.compile(
    r"(?:的?话术|文案|稿子?|词|环节|那?[段条篇版])?(?:也|都|我|你)?"
    r"(?:还没有?(?:写|出|弄|做|给|来)?|没(?:写|出|弄|做|给)|漏[掉写]?|忘记?写?|还?[缺少差]着?|空着)[的了呢啊吧呀]*(?=$|[,，。!！;；\s])"
)
#: 结尾还缺互动: what is lacking is a part of the script.
_LACKED_INSIDE = re.compile(r"[这上]一?[段版条篇]|里面?|开头|结尾|中间|最后|末尾|后面|前面")
#: 今晚有场直播, 有个双十一专场: a session that is to come, nothing is written for it yet.
_OCCASION = re.compile(
    r"(?:有|要|接了?|是|第[一二三]|头一?|去|做|拍|排了|安排了?)[^,，。]{0,2}[场个次档条回]?[^,，。]{0,5}"
    r"(?:直播|开播|专场|带货|短视频|视频|首播|上播)(?:要拍|要发|要上|了)?(?=[,，。\s])|"
    r"(?:[今明后][晚天]|晚上|下午|周[一二三四五六日末])[^,，。]{0,6}(?:直播|开播|上播|首播)了?(?=[,，。\s])|"
    r"(?:[今明后][晚天]|晚上|下午)要?[播卖上讲推](?!一?[版段条篇])[^,，。]{2,8}[,，]|"
    r"(?:直播|开播)(?:马上|就|快|即将)?要?(?:开始|到点|来)了?(?=[,，。\s])"
)
#: What only a script that is there can be.
_OF_THE_SCRIPT = re.compile(
    rf"再(?!来|写|给)|(?<![,，]要)更|太|不够|不行|不好|差点|[上这]一?[版段条篇]|刚才|{TAKE}|改|换|优化|润色"
)


def lacks_a_scene(s: Signals) -> bool:
    """字帖还差个逼单，补上: the missing script is to be written, none is to be changed."""
    return not _LACKED_INSIDE.search(s.text) and any(
        _LACKED_AFTER.match(s.text, m.end)
        or (
            _LACKED_HERE.match(s.text, m.end)
            and _LACKED_BEFORE.search(s.text[max(0, m.start - _NEAR) : m.start])
        )
        for m in s.mentions
        if m.kind in {"sub_scenario", "scenario"}
    )


def announces_a_session(s: Signals) -> bool:
    """今晚有场直播，开场写俏皮点: before anything is written a degree describes what is wanted."""
    fresh = s.names_scene and not s.has_script and not s.has_source
    return fresh and bool(_OCCASION.search(s.text)) and not _OF_THE_SCRIPT.search(s.text)
