"""Languages and dialects as one pattern for normalised text, however they are called (上海话, 四川味儿)."""

from __future__ import annotations

import re

#: Places whose speech goes by their name, longer names first.
_PLACES = (
    "呼和浩特|齐齐哈尔|乌鲁木齐|石家庄|张家口|内蒙古|黑龙江|哈尔滨|佳木斯|景德镇|驻马店|咱家乡|北京|"
    "天津|上海|重庆|河北|唐山|保定|邯郸|承德|沧州|山西|太原|大同|运城|临汾|长治|内蒙|包头|赤峰|辽宁|"
    "沈阳|大连|鞍山|丹东|锦州|营口|铁岭|吉林|长春|延边|江苏|南京|苏州|无锡|常州|扬州|镇江|南通|徐州|"
    "盐城|淮安|常熟|昆山|浙江|杭州|宁波|温州|绍兴|台州|金华|义乌|嘉兴|湖州|丽水|衢州|舟山|余姚|安徽|"
    "合肥|芜湖|安庆|黄山|阜阳|蚌埠|福建|福州|厦门|泉州|漳州|莆田|龙岩|宁德|三明|江西|南昌|赣州|九江|"
    "上饶|宜春|抚州|萍乡|山东|济南|青岛|烟台|威海|潍坊|临沂|济宁|淄博|菏泽|枣庄|德州|聊城|胶东|胶州|"
    "河南|郑州|洛阳|开封|南阳|信阳|商丘|周口|新乡|安阳|湖北|武汉|宜昌|襄阳|荆州|黄冈|十堰|孝感|恩施|"
    "湖南|长沙|株洲|湘潭|衡阳|邵阳|常德|岳阳|益阳|郴州|永州|怀化|娄底|湘西|广东|广州|潮汕|潮州|汕头|"
    "梅州|湛江|佛山|东莞|惠州|茂名|江门|台山|雷州|揭阳|广西|南宁|桂林|柳州|玉林|北海|海南|海口|三亚|"
    "四川|成都|绵阳|乐山|自贡|泸州|宜宾|南充|达州|内江|遂宁|贵州|贵阳|遵义|毕节|云南|昆明|大理|丽江|"
    "曲靖|保山|西藏|拉萨|陕西|西安|陕北|关中|宝鸡|咸阳|榆林|延安|汉中|甘肃|兰州|天水|青海|西宁|宁夏|"
    "银川|新疆|香港|澳门|台湾|台北|东北|西北|闽南|闽北|闽东|客家|川渝|两广|江南|苏北|鲁南|皖北|赣南|"
    "湘南|粤西|海丰|陆丰|萧山|奉化|慈溪|温岭|瑞安|乐清|崇明|浦东|本地|当地|地方|家乡|老家"
)
_VARIETIES = (
    "japanese|english|spanish|russian|korean|french|german|塑料普通话|吴侬软语|大碴子味|维吾尔语|thai|"
    "闽南语|客家语|川渝话|京片子|京味儿|津味儿|港台腔|白话文|大碴子|儿化音|弯弯腔|普通话|文言文|繁体字|"
    "蒙古语|朝鲜语|印地语|川话|川普|京腔|京味|港普|台普|广普|粤语|台语|吴语|湘语|赣语|客语|闽语|晋语|"
    "沪语|沪话|塑普|方言|土话|俚语|乡音|古文|繁体|外语|中文|汉语|双语|中英|藏语|维语|蒙语|壮语|彝语|"
    "苗语|西语|葡语|阿语|意语|越语"
)
_FOREIGN = (
    "印度尼西亚|斯瓦希里|西班牙|阿拉伯|葡萄牙|意大利|土耳其|柬埔寨|菲律宾|乌克兰|哈萨克|匈牙利|希伯来|"
    "越南|马来|印尼|印地|波斯|荷兰|希腊|波兰|瑞典|老挝|缅甸|高棉|捷克|芬兰|丹麦|挪威|拉丁|英|日|韩|泰|"
    "法|德|俄"
)
_STARTS = "".join(sorted({word[0] for word in f"{_PLACES}|{_VARIETIES}|{_FOREIGN}".split("|")}))
#: The lookahead passes over most positions at once, where hundreds of alternatives would each be tried.
_SPEECH = r"(?:普通话|方言|土话|老话|话(?![术筒题费剧梅])|腔|口音)"
_FLAVOUR = r"味儿?(?!道|的?[菜面粉米饭鱼肉鸡鸭零小火卤糕点豆酱辣香])"
LANGUAGE = (
    rf"(?=[{_STARTS}])(?:(?:{_PLACES})(?:{_SPEECH}(?:味儿?)?|{_FLAVOUR})|"
    rf"(?:{_FOREIGN})[语文]|{_VARIETIES})"
)
_MAY_NAME_A_DIALECT = re.compile(r"[话腔音]")
_DIALECT = re.compile(rf"(?=[{_STARTS}])(?:{_PLACES}){_SPEECH}")


def without_dialects(text: str) -> str:
    """The text with dialects blanked, offsets kept: 海话 in 改成上海话 is nothing on sale."""
    if not _MAY_NAME_A_DIALECT.search(text):
        return text
    return _DIALECT.sub(lambda m: "\n" * len(m[0]), text)
