"""The words in which operators ask for a change. Only patterns; what is done about them stands elsewhere."""

from __future__ import annotations

import re
from typing import Final

QUOTES: Final = "“”\"'「」『』‘’《》"
TO: Final = r"(?:改成|换成|替换成|替换为|改为|换为|改作|变成|改叫)"
QUOTED_SWAP: Final = re.compile(
    rf"[{QUOTES}]([^{QUOTES}]+)[{QUOTES}][^{QUOTES}]{{0,6}}?{TO}[{QUOTES}]?([^{QUOTES}，。；;！]+)"
)
SWAP: Final = re.compile(
    rf"(?:把|将)?([^，。；;！把将]{{1,16}}?)(?:都|全部|全|统一)?{TO}[{QUOTES}]?([^{QUOTES}，。；;！]+)"
)
OPENING: Final = re.compile(r"开头|开场白|第一句|首句|开篇")
ENDING: Final = re.compile(r"结尾|最后一句|末尾|收尾|尾巴")
CHANGE: Final = re.compile(r"换|改|重写|重新写|不要这样|别这样")
ADD: Final = re.compile(
    r"(?:再|多|给我|帮我)?"
    r"(?:加上|加入|加个|加一?句|加一?段|加点|添一?句|添加|补充?一?句|补上|插入|增加|加)[：:]?(.+)"
)
DELETE: Final = re.compile(
    r"(?:删掉|删除|删去|删了|去掉|砍掉|拿掉|不要提|别提|不要讲|不提|去除|删)(.+?)(?:$|[，。；;！])"
    r"|把(.+?)(?:给)?(?:删掉|删除|删去|删了|去掉|砍掉|拿掉|去除)"
)
#: Where the next change of a list begins: 开头换一下，结尾加个关注.
NEXT_CHANGE: Final = re.compile(
    r"[，,；;](?=(?:另外|然后|再|同时|顺便|还有|并且|也)?(?:把|将)?"
    r"(?:开头|开场白|结尾|最后一句|收尾|第.{1,3}[句段]|价格|称呼|主播(?:名字?)?|产品名|商品名)"
    r"[^，,。；;]{0,6}(?:换|改|删|去掉|加|补|砍|重写))"
)
TOPIC_TAIL: Final = re.compile(r"(?:的)?(?:那|这)?(?:一|几)?(?:句话?|句子|段话?|段落|部分|内容|信息)$")
AVOID_WORD: Final = re.compile(
    rf"(?:别用|不要用|不用|别说|不要出现|别出现|不要说|禁用)[{QUOTES}]?([^{QUOTES}，。；;！了]{{1,8}})"
)
SHORTER: Final = re.compile(
    r"缩短|砍掉?一半|一半|精简|短一?点|短些|压缩|控制在|砍一?半|减半|太长|太?啰嗦|简短|删减"
    r"|字以内|字内|缩到|缩减|简洁"
)
LONGER: Final = re.compile(r"扩写|加长|长一?点|长些|丰富|展开|详细|扩充|扩展|扩到|写长")
HALF: Final = re.compile(r"一半|减半|半")
ORDINAL: Final = re.compile(r"第([一二两三四五六七八九\d])(段|句)")
NUMERALS: Final = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
PRICE_TEXT: Final = re.compile(
    r"[¥￥]?\d+(?:\.\d+)?\s*(?:元|块钱?)|[¥￥]\d+(?:\.\d+)?|(?<=只要)\d+(?:\.\d+)?"
)
ADDRESSES: Final = re.compile(
    r"家人们|姐妹们|宝宝们|宝子们|宝妈们|亲们|老铁们|朋友们|书友们|吃货们|女生们"
    r"|姐姐们|兄弟们|宝贝们|各位朋友"
)
SELF_NAME: Final = re.compile(
    r"我是(?:你们的|主播)?([A-Za-z一-龥]{2,5}?)(?=[，。！、,!]|来|在|今|给|带|陪|$)"
)
ASKED_LINES: Final = (
    ("关注", "follow"),
    ("互动", "interact"),
    ("扣1", "interact"),
    ("问候", "greet"),
    ("打招呼", "greet"),
    ("下单", "cta"),
    ("行动号召", "cta"),
    ("引导", "cta"),
    ("感谢", "thanks"),
    ("场景", "moment"),
    ("售后", "service"),
    ("价格", "price"),
    ("痛点", "pain"),
    ("留人", "hook"),
)
DESCRIBES: Final = re.compile(
    r"信息|引导|提醒|内容|元素|氛围|环节|话术|痛点|互动|场景|问候语?|一下$|号召|提示"
)
