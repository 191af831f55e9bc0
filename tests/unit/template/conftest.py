"""Tasks for the template writer's tests: one typical product a category."""

from __future__ import annotations

from typing import Any, Final

import pytest

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.domain.categories import knowledge_for
from scriptgen.domain.session import Product
from scriptgen.domain.writing import TaskKind, WritingTask

PRODUCTS: Final = {
    "美妆": Product(name="雾面口红", selling_points=("显白", "不沾杯", "送运费险"), price="59.9"),
    "食品": Product(
        name="螺蛳粉", selling_points=("汤底酸辣鲜香", "料足"), price="39.9元三包", facts={"产地": "广西柳州"}
    ),
    "服饰": Product(name="羽绒服", selling_points=("轻薄", "保暖"), price="399"),
    "数码": Product(name="蓝牙耳机", brand="AirBuds", selling_points=("降噪", "续航长"), price="129块"),
    "家居": Product(
        name="四件套", selling_points=("纯棉", "亲肤", "不掉色"), price="129", facts={"面料": "纯棉"}
    ),
    "母婴": Product(name="纸尿裤", selling_points=("透气", "不漏"), price="¥89"),
    "个护": Product(name="牙膏", selling_points=("清新口气",), price="39.9两支"),
    "珠宝": Product(name="珍珠项链", selling_points=("光泽好", "简约"), price="699"),
    "图书": Product(name="考研英语单词书", selling_points=("按词根分类",), price="45"),
    "其他": Product(name="瑜伽垫", selling_points=("防滑", "不硌膝盖"), price="79"),
}


def make_task(category: str = "美妆", **changes: Any) -> WritingTask:
    """A COMPOSE task for the category's product; any field may be changed."""
    fields: dict[str, Any] = {
        "kind": TaskKind.COMPOSE,
        "instruction": "",
        "category": category,
        "scenario": "直播带货",
        "sub_scenario": "产品介绍",
        "product": PRODUCTS.get(category, Product()),
        "influencer_name": "小鹿酱",
        "profile": knowledge_for(category).generic_profile(),
        "seed": "seed",
    }
    return WritingTask(**(fields | changes))


@pytest.fixture(scope="session")
def checker() -> ComplianceChecker:
    return ComplianceChecker(load_lexicon())
