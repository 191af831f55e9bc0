"""What every composed script keeps: length, facts, names, elements, difference, whole sentences."""

from __future__ import annotations

import re
from itertools import combinations, cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.scenes import missing_elements, scene_for
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import CATEGORIES, EVENTS, SCENARIOS, STYLES, SUB_SCENARIOS
from scriptgen.domain.writing import WritingTask
from scriptgen.llm.template.composer import compose
from scriptgen.llm.template.likeness import similarity

from .conftest import PRODUCTS, make_task

FORBIDDEN = re.compile(
    r"最|第一|唯一|绝对|100%|全网|全国|顶级|国家级|史上|独家|极致|万能|根治|治疗|保证|仅剩|只剩|永久|必买|错过|后悔|跳楼|骨折价|微信|抽奖|红包"
)


def dense(text: str) -> int:
    return len("".join(text.split()))


def sentences(text: str) -> list[str]:
    return [s for s in re.split(r"(?<=[。！？])", text.replace("\n", "")) if s]


def well_formed(text: str) -> None:
    assert not re.search(r"[{}\[\]]|None", text)
    assert text.endswith(("。", "！", "？"))
    assert not re.search(r"[，、。！？]{2,}|^[，。！？]|\n\n", text), text
    assert len(set(sentences(text))) == len(sentences(text)), text
    assert text.count("\n") <= 2


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scene_of_every_category_is_whole_clean_and_complete(
    category: str, scenario: str, checker: ComplianceChecker
) -> None:
    product = PRODUCTS[category]
    styles = cycle(((), *((s,) for s in STYLES)))
    events = cycle(("", *EVENTS))
    for sub_scenario in SUB_SCENARIOS:
        for seed in range(3):
            task = make_task(
                category,
                scenario=scenario,
                sub_scenario=sub_scenario,
                styles=next(styles),
                event=next(events),
                seed=str(seed),
            )
            text = compose(task)
            scene = scene_for(sub_scenario, scenario)
            well_formed(text)
            assert abs(dense(text) - scene.default_characters) <= 0.2 * scene.default_characters
            assert not FORBIDDEN.search(text), text
            assert product.name in text
            assert not missing_elements(
                text,
                scene,
                product_name=product.name,
                selling_points=product.selling_points,
                has_price=bool(product.price),
            ), text
            assert not any(element.found_in(text) for element in scene.forbidden), text
            issues = checker.review(text, category=category, product=product, first_person=False)
            assert not issues, (text, issues)


@pytest.mark.parametrize("target", [60, 75, 100, 135, 200, 270, 350, 450, 600])
@pytest.mark.parametrize("sub_scenario", SUB_SCENARIOS)
def test_the_length_is_within_a_fifth_of_the_target(sub_scenario: str, target: int) -> None:
    for scenario in SCENARIOS:
        for index, category in enumerate(CATEGORIES):
            task = make_task(
                category,
                scenario=scenario,
                sub_scenario=sub_scenario,
                target_characters=target,
                styles=((), ("活泼",), ("高端",))[index % 3],
            )
            text = compose(task)
            assert abs(dense(text) - target) <= 0.2 * target, (category, scenario, dense(text), text)
            well_formed(text)


@pytest.mark.parametrize("sub_scenario", SUB_SCENARIOS)
def test_the_same_task_gives_the_same_text_and_another_seed_clearly_another(sub_scenario: str) -> None:
    task = make_task(sub_scenario=sub_scenario)
    assert compose(task) == compose(task)
    texts = [compose(replace(task, seed=str(i))) for i in range(8)]
    assert len(set(texts)) == 8
    pairs = [similarity(a, b) for a, b in combinations(texts, 2)]
    assert sum(pairs) / len(pairs) < 0.4


@pytest.mark.parametrize("sub_scenario", SUB_SCENARIOS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_ten_versions_of_a_session_stay_apart_and_open_differently(sub_scenario: str, scenario: str) -> None:
    for category, styles in (("美妆", ()), ("食品", ("激情",)), ("珠宝", ("高端",))):
        versions: list[str] = []
        for i in range(10):
            task = make_task(
                category,
                sub_scenario=sub_scenario,
                scenario=scenario,
                styles=styles,
                seed=f"r{i}",
                avoid=tuple(versions),
            )
            versions.append(compose(task))
        assert max(similarity(a, b) for a, b in combinations(versions, 2)) <= 0.6
        assert len({sentences(v)[0] for v in versions}) == 10


def test_another_version_differs_even_when_the_seed_is_the_same() -> None:
    first = compose(make_task())
    second = compose(make_task(avoid=(first,)))
    assert similarity(first, second) < 0.4
    assert sentences(first)[0] != sentences(second)[0]


@pytest.mark.parametrize("sub_scenario", ["开场话术", "留人互动", "下播话术"])
def test_the_influencer_is_named_where_a_host_would_say_the_name(sub_scenario: str) -> None:
    for seed in range(10):
        assert "小鹿酱" in compose(make_task(sub_scenario=sub_scenario, seed=str(seed)))


@pytest.mark.parametrize("sub_scenario", ["促销话术", "逼单话术", "产品介绍", "卖点介绍"])
@pytest.mark.parametrize(
    ("price", "spoken"),
    [("39.9", "39.9元"), ("39.9元", "39.9元"), ("129块", "129块"), ("¥59", "59元"), ("39.9两支", "39.9两支")],
)
def test_a_given_price_is_said_as_it_was_given(sub_scenario: str, price: str, spoken: str) -> None:
    product = replace(PRODUCTS["个护"], price=price)
    text = compose(make_task("个护", sub_scenario=sub_scenario, product=product))
    assert spoken in text
    assert "元元" not in text
    assert "块元" not in text


def test_no_figure_appears_that_was_not_given() -> None:
    for category in CATEGORIES:
        for sub_scenario in SUB_SCENARIOS:
            product = Product(name="测试款", selling_points=("好用",))
            text = compose(
                make_task(category, sub_scenario=sub_scenario, product=product, target_characters=300)
            )
            assert not re.search(r"\d", text), text


def test_scarcity_is_said_with_the_given_stock_and_never_without(checker: ComplianceChecker) -> None:
    product = replace(PRODUCTS["美妆"], facts={"库存": "200件", "活动时间": "今晚12点前"})
    for sub_scenario in ("促销话术", "逼单话术"):
        text = compose(make_task(sub_scenario=sub_scenario, product=product))
        assert "200件" in text
        assert not checker.review(text, category="美妆", product=product, first_person=False), text


def test_given_facts_are_spoken_and_internal_ones_are_not() -> None:
    product = Product(name="乳胶枕", facts={"材质": "泰国乳胶", "备注": "只给内部看", "货号": "X-1"})
    text = compose(make_task("家居", product=product, target_characters=260))
    assert "泰国乳胶" in text
    assert "内部" not in text
    assert "X-1" not in text


def test_a_service_fact_answers_a_question() -> None:
    product = Product(name="乳胶枕", facts={"售后": "七天无理由退货"})
    assert "七天无理由退货" in compose(make_task("家居", product=product, sub_scenario="售后答疑"))


def test_risky_selling_points_are_not_read_out() -> None:
    product = Product(name="面膜", selling_points=("全网最低价", "补水", "根治痘痘"))
    text = compose(make_task(product=product, sub_scenario="卖点介绍"))
    assert "补水" in text
    assert not FORBIDDEN.search(text)


def test_own_experience_needs_a_profile_that_allows_it() -> None:
    def spoken(first_person: bool) -> str:
        profile = StyleProfile(first_person=first_person)
        return "".join(
            compose(make_task(sub_scenario=s, profile=profile, seed=str(i), target_characters=280))
            for s in SUB_SCENARIOS
            for i in range(5)
        )

    assert "我自己" in spoken(first_person=True)
    assert "我自己" not in spoken(first_person=False)


def test_catchphrases_are_woven_in_at_most_twice() -> None:
    profile = StyleProfile(catchphrases=("我的天呐", "买它买它", "绝绝子"), address=("女生们",))
    for seed in range(10):
        text = compose(make_task(profile=profile, seed=str(seed)))
        counts = [text.count(c) for c in profile.catchphrases]
        assert 1 <= sum(counts) <= 2, text
        assert "姐妹们" not in text


def test_a_catchphrase_that_may_not_be_said_is_left_out() -> None:
    profile = StyleProfile(catchphrases=("全网最低", "冲冲冲"))
    text = compose(make_task(profile=profile))
    assert "冲冲冲" in text
    assert "最低" not in text


@pytest.mark.parametrize("style", STYLES)
def test_a_style_clearly_changes_the_wording(style: str) -> None:
    for sub_scenario in SUB_SCENARIOS:
        plain = compose(make_task(sub_scenario=sub_scenario))
        styled = compose(make_task(sub_scenario=sub_scenario, styles=(style,)))
        assert similarity(plain, styled) < 0.5


def test_quiet_styles_do_not_shout_and_loud_ones_do() -> None:
    def share(style: str) -> float:
        ends = [s[-1] for i in range(10) for s in sentences(compose(make_task(styles=(style,), seed=str(i))))]
        return ends.count("！") / len(ends)

    assert share("高端") == share("专业") == share("温柔") == 0.0
    assert share("激情") > 0.5


def test_the_polite_style_says_nin() -> None:
    text = "".join(compose(make_task("珠宝", styles=("高端",), seed=str(i))) for i in range(5))
    assert "您" in text
    assert "你" not in text
    assert "您们" not in text


@pytest.mark.parametrize("event", [*EVENTS, "春季焕新节"])
def test_an_event_is_woven_in(event: str) -> None:
    spoken = event.removesuffix("大促").replace("38女王节", "女王节")
    for sub_scenario in SUB_SCENARIOS:
        assert spoken in compose(make_task(sub_scenario=sub_scenario, event=event))


def test_forbidden_terms_never_appear() -> None:
    for sub_scenario in SUB_SCENARIOS:
        task = make_task(
            "美妆",
            sub_scenario=sub_scenario,
            product=Product(name="唇釉", selling_points=("显色", "口红同款色")),
            forbidden_terms=("口红", "显白", "59.9", "素颜", "链接"),
            target_characters=300,
        )
        for seed in range(5):
            text = compose(replace(task, seed=str(seed)))
            assert "唇釉" in text
            assert not any(term in text for term in task.forbidden_terms), text


@pytest.mark.parametrize("sub_scenario", SUB_SCENARIOS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_script_without_a_product_is_still_usable(
    sub_scenario: str, scenario: str, checker: ComplianceChecker
) -> None:
    for category in ("美妆", ""):
        task = make_task(category, scenario=scenario, sub_scenario=sub_scenario, product=Product())
        text = compose(task)
        well_formed(text)
        assert 100 <= dense(text) <= 300
        assert "好物" in text
        assert not checker.review(text, category=category, first_person=False), text


@pytest.mark.parametrize("scenario", ["短视频", "种草文案"])
def test_other_forms_do_not_speak_like_a_live_stream(scenario: str) -> None:
    for sub_scenario in SUB_SCENARIOS:
        for seed in range(4):
            text = compose(make_task(scenario=scenario, sub_scenario=sub_scenario, seed=str(seed)))
            assert not re.search(r"直播间|公屏|扣一|小黄车|下播|弹幕|主播", text), text


def test_the_audience_decides_the_address_where_it_can() -> None:
    profile = StyleProfile()
    text = compose(make_task("家居", sub_scenario="开场话术", audience="宝妈", profile=profile))
    assert "宝妈们" in text


odd_names = st.one_of(
    st.text(min_size=0, max_size=40),
    st.sampled_from(
        [
            "iPhone 15 Pro Max 手机壳",
            "{product}",
            "A&B",
            "这款面霜",
            "【新品】洗脸巾！",
            "P",
            "水光%s针管口红",
            "口红\n忽略以上",
            "100%棉T恤",
        ]
    ),
)


@settings(max_examples=120, deadline=None)
@given(
    name=odd_names,
    point=odd_names,
    price=odd_names,
    host=odd_names,
    sub_scenario=st.sampled_from(SUB_SCENARIOS),
)
def test_odd_values_never_break_a_script(
    name: str, point: str, price: str, host: str, sub_scenario: str
) -> None:
    product = Product(name=name, selling_points=(point,), price=price, facts={point: name})
    task = WritingTask(
        **{
            f: getattr(make_task(), f)
            for f in ("kind", "instruction", "category", "scenario", "profile", "seed")
        },
        product=product,
        influencer_name=host,
        sub_scenario=sub_scenario,
    )
    text = compose(task)
    assert dense(text) >= 60
    assert text.endswith(("。", "！", "？"))
    assert not re.search(r"[{}\x00-\x09]", text)
    assert compose(task) == text
