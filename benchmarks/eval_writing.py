"""Measures the template writer: lengths, likeness within a session, compliance, and whose style is heard.

These are figures of the embedded writer, not of any model.
"""

from __future__ import annotations

import itertools
import random
from typing import Any, Final

from scriptgen.agents.quality import QualityAgent
from scriptgen.agents.style_features import style_agreement
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.domain.observer import Observer
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.quality import Severity
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import EVENTS, STYLES, SUB_SCENARIOS
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.template.composer import compose
from scriptgen.llm.template.likeness import similarity

PRODUCTS: Final = {
    "美妆": Product(
        name="雾面口红", price="69元", selling_points=("显白", "不沾杯"), facts={"色号": "豆沙红"}
    ),
    "食品": Product(
        name="螺蛳粉", price="39.9元", selling_points=("汤底鲜", "料足"), facts={"净含量": "330克"}
    ),
    "服饰": Product(
        name="羽绒服", price="399元", selling_points=("轻薄", "保暖"), facts={"颜色": "黑、米白"}
    ),
    "数码": Product(name="蓝牙耳机", price="129元", selling_points=("降噪", "续航长")),
    "家居": Product(name="四件套", price="129元", selling_points=("纯棉", "亲肤"), facts={"材质": "纯棉"}),
    "母婴": Product(name="纸尿裤", price="89元", selling_points=("透气", "不漏")),
    "个护": Product(name="洗发水", price="59元", selling_points=("泡沫细", "柑橘味")),
    "珠宝": Product(name="珍珠项链", price="299元", selling_points=("百搭", "送礼体面")),
    "图书": Product(name="考研英语单词书", price="45元", selling_points=("按词根分类",)),
    "其他": Product(name="瑜伽垫", price="79元", selling_points=("防滑", "不硌膝盖")),
}
#: Four clearly different ways of speaking, for the attribution test.
VOICES: Final = {
    "热闹": StyleProfile(
        influencer_name="阿杰", formality=0.1, humor=0.5, interaction=0.9, avg_sentence_length=10,
        particles=0.4, exclamation=0.8, catchphrases=("冲就完了",), address=("家人们",),
    ),
    "沉稳": StyleProfile(
        influencer_name="周老师", formality=0.9, humor=0.0, interaction=0.15, avg_sentence_length=24,
        particles=0.0, exclamation=0.0, catchphrases=("我们理性看",), address=("各位朋友",),
    ),
    "温柔": StyleProfile(
        influencer_name="朵朵", formality=0.4, humor=0.05, interaction=0.4, avg_sentence_length=17,
        particles=0.6, exclamation=0.1, catchphrases=("慢慢来",), address=("姐妹们",),
    ),
    "逗乐": StyleProfile(
        influencer_name="大鹏", formality=0.1, humor=0.9, interaction=0.6, avg_sentence_length=14,
        particles=0.3, exclamation=0.4, catchphrases=("笑死我了",), address=("老铁们",),
    ),
}  # fmt: skip
TARGETS: Final = (0, 100, 150, 220, 300)


def evaluate(scripts: int = 200, versions: int = 10) -> dict[str, Any]:
    """Writes `scripts` scripts over all categories and scenes, and `versions` versions in each of eight
    sessions. Rates are 0..1, lengths are shares of the target.
    """
    checker = ComplianceChecker(load_lexicon())
    quality = QualityAgent(checker, observer=Observer())
    return {
        **_law_and_length(quality, scripts),
        **_sessions(versions),
        **_attribution(),
    }


def _law_and_length(quality: QualityAgent, scripts: int) -> dict[str, Any]:
    rng = random.Random(20261122)
    blocking = flagged = off_length = unnamed = 0
    deviations: list[float] = []
    places = list(itertools.islice(itertools.cycle(itertools.product(PRODUCTS, SUB_SCENARIOS)), scripts))
    for number, (category, scene) in enumerate(places):
        target = rng.choice(TARGETS)
        task = WritingTask(
            kind=TaskKind.COMPOSE,
            instruction=f"写一段{scene}",
            category=category,
            sub_scenario=scene,
            event=rng.choice(("", *EVENTS)),
            styles=rng.choice(((), (rng.choice(STYLES),))),
            product=PRODUCTS[category],
            influencer_name="林小满",
            target_characters=target,
            seed=f"evaluation-{number}",
        )
        text = compose(task)
        report = quality.review(text, task)
        blocking += any(issue.severity is Severity.BLOCK for issue in report.issues)
        flagged += any(not issue.type.startswith("structure_") for issue in report.issues)
        unnamed += PRODUCTS[category].name not in text
        if target:
            deviations.append(abs(len(text) - target) / target)
            off_length += deviations[-1] > 0.2
    return {
        "scripts": scripts,
        "with_blocking_issue": blocking,
        "with_compliance_issue": flagged,
        "without_product_name": unnamed,
        "length_beyond_a_fifth": off_length,
        "mean_length_deviation": sum(deviations) / max(len(deviations), 1),
    }


def _sessions(versions: int) -> dict[str, Any]:
    worst = 0.0
    for number, scene in enumerate(SUB_SCENARIOS):
        category = list(PRODUCTS)[number]
        texts: list[str] = []
        for version in range(versions):
            task = WritingTask(
                kind=TaskKind.CONTINUE if texts else TaskKind.COMPOSE,
                instruction="再来一版",
                category=category,
                sub_scenario=scene,
                product=PRODUCTS[category],
                source_text=texts[-1] if texts else "",
                avoid=tuple(texts[-6:-1]),
                seed=f"session-{number}-{version}",
            )
            texts.append(compose(task))
        worst = max(worst, *(similarity(a, b) for a, b in itertools.combinations(texts, 2)))
    return {"versions_per_session": versions, "greatest_likeness_in_a_session": worst}


def _attribution(per_voice: int = 10) -> dict[str, Any]:
    """How often a script agrees best with the profile it was written for."""
    right = 0
    for name, profile in VOICES.items():
        for number in range(per_voice):
            category = list(PRODUCTS)[number % len(PRODUCTS)]
            text = compose(
                WritingTask(
                    kind=TaskKind.COMPOSE,
                    instruction="写一段产品介绍",
                    category=category,
                    sub_scenario="产品介绍",
                    product=PRODUCTS[category],
                    influencer_name=profile.influencer_name,
                    profile=profile,
                    seed=f"voice-{name}-{number}",
                )
            )
            best = max(VOICES, key=lambda voice: style_agreement(text, VOICES[voice]))
            right += best == name
    total = per_voice * len(VOICES)
    return {"style_attribution": right / total, "style_attribution_of": total}


def print_table(result: dict[str, Any]) -> None:
    print("template writer (embedded; not a model)")
    for name, value in result.items():
        print(f"  {name:<34}{value:.3f}" if isinstance(value, float) else f"  {name:<34}{value}")


if __name__ == "__main__":
    print_table(evaluate())
