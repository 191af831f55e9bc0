"""How far a product's name reaches around the word that is listed, and names that only their head gives away.

Where in a request products are looked for is in products.py.
"""

from __future__ import annotations

import re
from bisect import bisect_left

import msgspec

from .lexicon import Lexicon, Mention


class ProductMention(msgspec.Struct, frozen=True):
    """A product phrase in the text. `category` is "" when its head is unknown."""

    start: int
    end: int
    category: str


WORD = r"[一-龥a-z0-9+·-]"
SET = re.compile(
    r"(?:[礼里理]盒|礼袋|礼券|提货券|礼卡|套餐|套装|套盒|组合装?|家庭装|系列|旗舰款|大礼包|礼包|套组|pro|max|plus)+"
)
#: 榴莲过了 is no mistyped 榴莲果.
_OVER = re.compile(r"(?:都|全|已经)?过[了完啦]")
_RUN = re.compile(rf"{WORD}+")
_RUN_BEFORE = re.compile(rf"{WORD}*$")
#: Characters behind a listed word that are looked at.
_LONGEST_TAIL = 6
_POINTING_AT = re.compile(
    r"[这那本](?:一)?(?:款|支|条|双|件|盒|瓶|台|套|只|把|张|块|袋|箱|包|罐|副|对|床|盏|顶|枚|串|口|根|桶|提|辆|个)"
)
POINTING = re.compile(
    r"[这那本](?:一)?(?:款|支|条|双|件|盒|瓶|台|套|只|把|张|块|袋|箱|包|罐|副|对|床|盏|顶|枚|串|口|根|桶|提|辆|个)$"
)
#: Heads that may follow a listed word in a sentence without a doubt (拌面酱).
_SURE_HEADS = frozenset("酱锅壶架盒饼茶酒")
#: Heads that make a product of a single character before them (烩面).
_STRONG_HEADS = frozenset("裤裙衫鞋帽袜靴袍锅毯枕镯面饼糕酱酒")
#: One character before a product that belongs to its name (牦牛肉干, 碎钻戒指).
_ATTRIBUTES = frozenset(
    "牦碎鲜冰厚薄铜铁钢竹木陶瓷棉麻绒纱绿紫灰橙青野土山海湘粤滇藏苗雪冻腊卤烤炸蒸拌凉素纯童女男素冷宽细粗扁圆鱼鸡鸭猪牛羊虾蟹驴"
)
#: What may follow a product within its name (玉坠子, 丝巾扣, 春卷皮).
_ENDING = re.compile(
    r"(?:子|皮|被|膜|贴(?!合|补|心|身)|糠|扣|壳|套|盖|绳|带|圈|环|针|夹|系统|丝|罩|座(?!椅)|集|泥|粒|水|液|露|乳|底|全集|合集|挂包|挂件|配件|料包|材料包|拼盘|组合|系列|伴侣)"
)
#: Shapes of food (鳕鱼条, 糯米团子) and what a thing is kept in (口红盒): behind a name, not before a count.
_SHAPE = re.compile(r"(?:团子|[条片块段团串皮丝](?!子))(?=[的写来帮给讲卖开吧呗啊哈]|$|[^一-龥a-z0-9])")
_KEPT_IN = re.compile(r"[盒瓶](?=的|$|[^一-龥a-z0-9])")
#: Heads that settle what kind of thing it is, whatever stands before (香槟杯).
_CLEAR_HEADS = frozenset("杯壶锅碗勺柜桌椅凳架灯垫毯枕裤裙衫袜靴帽镯戒书册梳")
#: Words that end like a product and are none.
_NO_HEAD = re.compile(
    r"(?:[上下后里前对外全表画场页版封界局门情侧双单地平]面|方面|见面|服务|客服|说服|信服|舒服|佩服|衣服|机会|结果|效果|如果|成果|后果|糖果|"
    r"内容|剧本|版本|成本|样本|基本|根本|文本|原本|日本|现金|资金|奖金|佣金|基金|文件|条件|图片|视频|名片|照片|影片|对象|力气|花费|刷牙|马上|晚上|面条|"
    r"套装|安装|包装|上车|小黄车|购物车|下车|直播车|直播服|节奏|感觉|特点|亮点|"
    r"喝酒|敬酒|加油|看书|文书|证书|说明书|开花|火花|发车|开车|包包|红包|书包|表情包|背包)$"
)
NOT_A_PRODUCT = re.compile(
    r"从头|到尾|一晚上|^[全整](?:程|晚|天)|书面|话术|文案|直播|视频(?!会员)|脚本|产品|商品|东西|活动|风格|语气|口吻|开头|结尾|标题|版本|问候|内容|"
    r"主题|方式|方法|什么|哪|啥|怎么|一下|"
    r"麻烦|几|一点|个说法|功能|材质|面料|用法|细节|痛点|名字|品牌|[们我你他她它]|提问|互动|信息|链接|关注|优惠|福利|价格|^[0-9.]+[a-z]*$|"
    r"^得|一[遍次回]|对比|自己|购物车|可以|上传|下载|款$|[点些个]$|^求|[一两]个$|卖得|一样|[一二两三四五六七八九十百半\d]+(?:来|多)?(?:个?字|秒钟?|分钟?|min)|左右|以内|上下|品类|别的|其他|其余|剩下|剩余|余下|另|下单|点赞|大家|"
    r"普通话|[粤川]|东北|方言|(?:英文|日文|韩文|英语|日语|韩语)(?![一-龥]{2})|翻译(?!笔|机)|正式|自然|第[一二三四五]|刚才|"
    r"之前|以前|上次|历史|生成|看到|别人|别家|写好|上一|最后|谢谢|全套|整套|随便|都行|都可以|不限|继续|换成|再来|"
    r"[力感性]$|聊天|简单|吸引|不同|自然|真诚|有趣|精彩|完整|详细|简短|优秀|好听|合适|通用|常见|"
    r"高质量|原来|同样|相同|这|那|每|"
    r"没人|不出单|卖不动|下播|开播|上播|主播|达人|[0-9]+[字秒元块]|所有|全部|整场|各种|好评|表达|"
    r"场$|播$|团购|[午晚夜晨]间|周[末一二三四五六日]|工作日|换季|[春夏秋冬]{2}|大会|清仓|年[终中底末]|[新老](?:人|客|粉|手|店|号|师|会员)$|"
    r"^会员$|规则|流程|玩法|抽奖|步骤|厂家|源头|线[上下]|节日|节[前后]|假期|单品|品牌方|"
    r"词|句|称呼|姐妹|家人|宝宝们|亲们|数字"
)


#: Words that a product's name stands behind.
_SELLS = frozenset("推卖讲播")
#: Words that a product's name stands before.
_STANDS_BEFORE = frozenset({"的", "呢", "话术", "文案", "脚本", "口播", "稿"})
#: 给打底霜写: what something is written for may be a thing.
_WRITTEN = re.compile(r"[写来整做出弄搞编]")


def shaped(product: ProductMention, text: str) -> ProductMention:
    """鳕鱼条, 口红盒: with the shape of the food or what the thing is kept in."""
    shape = (_SHAPE if product.category == "食品" else _KEPT_IN).match(text, product.end)
    return ProductMention(product.start, shape.end(), product.category) if shape else product


def completed(
    product: ProductMention, text: str, lexicon: Lexicon, mentions: list[Mention]
) -> ProductMention:
    """The product with what belongs to its name behind it: 礼盒, or a longer unlisted name (煎饼果子料包)."""
    suffix = SET.match(text, product.end)
    if suffix:
        return ProductMention(product.start, suffix.end(), product.category)
    run = _RUN.match(text, product.end, product.end + _LONGEST_TAIL)
    if not run or _OVER.match(text, product.end):
        return product
    if (whole := shaped(product, text)) is not product:
        return whole
    following = bisect_left(mentions, product.end, key=lambda m: m.start)
    limit = mentions[following].start if following < len(mentions) else len(text)

    def ended(end: int) -> int:
        """Where the name ends when one more word for a part or a cover closes it."""
        named = _ENDING.match(text, end)
        closes = named and (named.end() in {run.end(), limit} or text.startswith("的", named.end()))
        return named.end() if named and closes else end

    if (end := ended(product.end)) != product.end:
        return ProductMention(product.start, end, product.category)
    stop = lexicon.stop.search(text, *run.span())
    end = min(run.end(), limit, stop.start() if stop else run.end())
    tail = text[product.end : end]
    single = 1 <= len(tail) <= 4 and not NOT_A_PRODUCT.search(tail) and not _NO_HEAD.search(tail)
    head = lexicon.category_of(text[product.start : end]) if single else ""
    if not head:
        return product
    clear = tail[-1] in _CLEAR_HEADS or lexicon.product_category.get(tail)
    return ProductMention(product.start, ended(end), head if clear else product.category)


def extended(text: str, floor: int, start: int, lexicon: Lexicon, *, running_text: bool) -> int:
    """Moves `start` left over modifiers (无糖), outside running text also over a short unlisted brand."""
    while True:
        modifier = lexicon.modifiers.search(text[max(floor, start - 6) : start])
        if not modifier:
            break
        start -= len(modifier[0])
    if running_text:
        return start
    left = max(floor, start - 12)
    run = _RUN_BEFORE.search(text[left:start])
    word = run[0] if run else ""
    stops = [m.end() for m in lexicon.stop.finditer(word)]
    brand = word[stops[-1] :] if stops else word
    at_boundary = bool(stops) or len(word) < start - left or left == floor
    attributive = 2 <= len(brand) <= 4 or brand in _ATTRIBUTES
    return start - len(brand) if at_boundary and brand and attributive else start


def with_sauce(product: ProductMention, text: str) -> ProductMention:
    """这款拌面酱: one more character that can only be the head of the name."""
    if text[product.end : product.end + 1] not in _SURE_HEADS:
        return product
    return ProductMention(product.start, product.end + 1, product.category)


def pointed_at(text: str, lexicon: Lexicon, listed: list[ProductMention]) -> list[ProductMention]:
    """这支智能笔: what a script points at, by the head of an unlisted name."""
    found = []
    for pointing in _POINTING_AT.finditer(text):
        start = pointing.end()
        run = _RUN.match(text, start, start + 8)
        if not run or any(p.start < run.end() and start < p.end for p in listed):
            continue
        stop = lexicon.stop.search(text, *run.span())
        longest = (stop.start() if stop else run.end()) - start
        for length in range(longest, 1, -1):
            category = lexicon.category_of(text[start : start + length])
            if category and not _NO_HEAD.search(text[start : start + length]):
                found.append(ProductMention(start, start + length, category))
                break
    return found


def headed(text: str, lexicon: Lexicon, mentions: list[Mention]) -> list[ProductMention]:
    """An unlisted phrase that ends in a known head (酱板鸭) where a product would stand: alone between
    separators, before a scene, before 的.
    """
    found = []
    starts = {m.start for m in mentions}
    for run in _RUN.finditer(text):
        begin = run.start()
        for stop in [*lexicon.stop.finditer(text, *run.span()), None]:
            end = stop.start() if stop else run.end()
            scene = next((s for s in sorted(starts) if begin < s < end), end)
            phrase = text[begin:scene]
            given = text[begin - 1 : begin] in {"给", "为"} and bool(_WRITTEN.match(text, end))
            stands = scene < end or not stop or stop[0] in _STANDS_BEFORE or end in starts or given
            if (
                stands
                and (2 if phrase[-1:] in _STRONG_HEADS else 3) <= len(phrase) <= 6
                and not NOT_A_PRODUCT.search(phrase)
            ):
                # 喝口水 by itself is no mistyped 漱口水.
                sold = text[max(0, begin - 1) : begin] in _SELLS
                in_place = sold or scene < end or end in starts or bool(stop and stop[0] == "的")
                category = "" if _NO_HEAD.search(phrase) else lexicon.category_of(phrase, mistyped=in_place)
                if category and not any(m.start < scene and begin < m.end for m in mentions):
                    found.append(ProductMention(begin, scene, category))
            begin = stop.end() if stop else run.end()
    return found


def sounding(text: str, lexicon: Lexicon, mentions: list[Mention]) -> list[ProductMention]:
    """粉拼的开场, 辣调逼单: a mistyped word straight before a scene, read by its sound."""
    found = []
    for scene in mentions:
        if scene.kind not in {"sub_scenario", "scenario", "weak_sub"}:
            continue
        end = scene.start - (text[scene.start - 1 : scene.start] == "的")
        for begin in range(max(0, end - _LONGEST_TAIL), end - 1):
            category = lexicon.misspelt(text[begin:end])
            if category and _stands_alone(text, begin, end, lexicon, mentions):
                found.append(ProductMention(begin, end, category))
                break
    return found


def _stands_alone(text: str, begin: int, end: int, lexicon: Lexicon, mentions: list[Mention]) -> bool:
    """Whether a word begins here, and is more than what holds a request together (一套直播话术)."""
    before = text[max(0, begin - _LONGEST_TAIL) : begin]
    starts = (
        not before
        or not _RUN.fullmatch(before[-1])
        or begin in {begin - len(before) + m.end() for m in lexicon.stop.finditer(before)}
    )
    within = any(m.start < end and begin < m.end for m in mentions)
    return starts and not within and bool(lexicon.stop.sub("", text[begin:end]))
