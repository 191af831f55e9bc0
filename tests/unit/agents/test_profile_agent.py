from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from scriptgen.agents.profile import STORE_WARNING, ProfileAgent, profile_of_style
from scriptgen.agents.profile_merge import blend, confidence_of, with_stated
from scriptgen.agents.style_features import StyleFeatures, extract_features
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.categories import knowledge_for
from scriptgen.domain.errors import RevisionConflictError, StoreUnavailableError
from scriptgen.domain.observer import Observer
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Influencer, Style
from scriptgen.stores.memory import MemoryProfileStore, MemoryState

TENANT = "tenant_a"
LIN = Influencer(name="林小满")
LIVELY = "姐妹们看过来！这个颜色真的绝了！懂的都懂！扣1告诉我！"
FEATURES = StyleFeatures(
    formality=1.0,
    humor=1.0,
    interaction=0.0,
    avg_sentence_length=10.0,
    particles=0.0,
    exclamation=1.0,
    catchphrases=("绝了", "听我的"),
    address=("家人们",),
    first_person=True,
    samples=1,
)


class CountingObserver(Observer):
    def __init__(self) -> None:
        self.cache: list[str] = []

    def profile_cache(self, result: str) -> None:
        self.cache.append(result)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Profiles(MemoryProfileStore):
    """A memory store of its own that lets others run between a read and a write, as a remote one does."""

    def __init__(self) -> None:
        super().__init__(MemoryState())

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        found = await super().get(tenant_id, influencer)
        await asyncio.sleep(0)
        return found


class UnreachableStore(Profiles):
    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        raise StoreUnavailableError("the profile store cannot be reached", retry_after=1.0)


class ContendedStore(Profiles):
    """Another writer gets in between every read and write, `races` times."""

    def __init__(self, races: int) -> None:
        super().__init__()
        self.races = races

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        if self.races:
            self.races -= 1
            other = replace(profile, tone=f"另一位写的{self.races}", samples=7)
            await super().put(tenant_id, influencer, other, expected_revision)
        await super().put(tenant_id, influencer, profile, expected_revision)


def agent(store: MemoryProfileStore | None = None, **options: object) -> ProfileAgent:
    return ProfileAgent(store or Profiles(), **{"observer": Observer(), **options})  # type: ignore[arg-type]


def test_a_new_script_counts_three_tenths() -> None:
    old = StyleProfile(formality=0.0, humor=0.5, interaction=1.0, avg_sentence_length=20.0, exclamation=0.0)
    moved = blend(old, FEATURES, 0.3)
    assert moved.formality == pytest.approx(0.3)
    assert moved.humor == pytest.approx(0.65)
    assert moved.interaction == pytest.approx(0.7)
    assert moved.avg_sentence_length == pytest.approx(17.0)
    assert moved.exclamation == pytest.approx(0.3)
    assert moved.first_person
    assert (moved.samples, moved.confidence) == (1, confidence_of(1))


def test_confidence_grows_with_every_script_and_never_reaches_one() -> None:
    steps = [confidence_of(samples) for samples in range(12)]
    assert steps[0] == 0
    assert steps[1] == pytest.approx(0.3)
    assert steps == sorted(steps)
    assert steps[-1] < 1


def test_shared_catchphrases_come_first_and_none_is_doubled() -> None:
    old = StyleProfile(catchphrases=("买它", "绝了"), samples=1)
    assert blend(old, FEATURES, 0.3).catchphrases == ("绝了", "买它", "听我的")


def test_a_stated_style_outranks_what_was_measured() -> None:
    stated = with_stated(StyleProfile(formality=0.9, humor=0.4), Style(formality=0.1, catchphrases=("冲呀",)))
    assert (stated.formality, stated.humor, stated.catchphrases) == (0.1, 0.4, ("冲呀",))
    assert 0 < stated.confidence < 1


async def test_an_unknown_influencer_speaks_like_the_category() -> None:
    fetched = await agent().fetch(TENANT, LIN, category="珠宝")
    generic = knowledge_for("珠宝").generic_profile()
    assert fetched.profile == replace(generic, influencer_name="林小满")
    assert fetched.warning == ""


async def test_samples_pull_the_generic_profile_towards_them() -> None:
    host = replace(LIN, sample_scripts=(LIVELY,) * 3)
    fetched = (await agent().fetch(TENANT, host, category="珠宝")).profile
    features = extract_features([LIVELY])
    generic = knowledge_for("珠宝").generic_profile()
    assert features is not None
    expected = 0.343 * generic.exclamation + 0.657 * features.exclamation
    assert fetched.exclamation == pytest.approx(expected, abs=1e-3)
    assert fetched.address == ("姐妹们",)
    assert fetched.samples == 3


async def test_what_was_adopted_is_heard_in_the_next_script() -> None:
    profiles = agent()
    before = (await profiles.fetch(TENANT, LIN, category="美妆")).profile
    learned = await profiles.adopt(TENANT, LIN, LIVELY, category="美妆")
    after = (await profiles.fetch(TENANT, LIN, category="美妆")).profile
    assert after.revision == learned.revision == 1
    assert after.exclamation > before.exclamation
    assert "真的绝了" in after.catchphrases
    assert after.confidence > before.confidence


async def test_a_phrase_the_host_removes_is_not_kept() -> None:
    profiles = agent()
    await profiles.adopt(TENANT, LIN, LIVELY)
    learned = await profiles.adopt(TENANT, LIN, LIVELY, LIVELY.replace("懂的都懂！", "稳稳的！"))
    assert "懂的都懂" not in learned.catchphrases
    assert "稳稳的" in learned.catchphrases
    assert "真的绝了" in learned.catchphrases


async def test_product_names_are_never_learned_as_phrases() -> None:
    text = "桃桃唇釉！真的显白。桃桃唇釉！真的不干。桃桃唇釉！真的好推开。"
    assert "桃桃唇釉" in (await agent().adopt(TENANT, LIN, text)).catchphrases
    learned = await agent().adopt(TENANT, LIN, text, product_terms=("桃桃唇釉",))
    assert "桃桃唇釉" not in learned.catchphrases


async def test_forbidden_phrases_are_neither_learned_nor_handed_out(checker: ComplianceChecker) -> None:
    host = replace(LIN, style=Style(catchphrases=("全网最低价", "听我的")))
    fetched = await agent(checker=checker).fetch(TENANT, host)
    assert fetched.profile.catchphrases == ("听我的",)


async def test_two_adoptions_at_once_both_count() -> None:
    store = Profiles()
    profiles = agent(store)
    await asyncio.gather(*(profiles.adopt(TENANT, LIN, LIVELY * (n + 1)) for n in range(4)))
    stored = await store.get(TENANT, "林小满")
    assert stored is not None
    assert (stored.samples, stored.revision) == (4, 4)


async def test_an_adoption_that_loses_a_race_learns_on_top_of_the_winner() -> None:
    store = ContendedStore(races=2)
    learned = await agent(store).adopt(TENANT, LIN, LIVELY)
    assert learned.revision == 3
    assert learned.samples == 8
    assert learned.tone == "另一位写的0"


async def test_an_adoption_that_always_loses_gives_up() -> None:
    store = ContendedStore(races=50)
    with pytest.raises(RevisionConflictError):
        await agent(store).adopt(TENANT, LIN, LIVELY)
    assert store.races == 45


async def test_a_store_outage_costs_the_learned_part_only() -> None:
    host = replace(LIN, style=Style(tone="温柔"))
    fetched = await agent(UnreachableStore()).fetch(TENANT, host, category="美妆")
    assert fetched.profile.tone == "温柔"
    assert fetched.warning == STORE_WARNING


async def test_an_outage_is_not_asked_again_at_once_and_not_remembered_for_long() -> None:
    observer, clock = CountingObserver(), Clock()
    profiles = agent(UnreachableStore(), observer=observer, clock=clock)
    for _ in range(3):
        await profiles.fetch(TENANT, LIN)
    clock.now = 2.5
    await profiles.fetch(TENANT, LIN)
    assert observer.cache == ["unavailable", "hit", "hit", "unavailable"]


async def test_a_fetched_profile_is_cached_until_its_time_is_over() -> None:
    observer, clock = CountingObserver(), Clock()
    profiles = agent(observer=observer, clock=clock, cache_ttl=60.0)
    await profiles.fetch(TENANT, LIN)
    await profiles.fetch(TENANT, LIN, category="美妆")
    clock.now = 61.0
    await profiles.fetch(TENANT, LIN)
    assert observer.cache == ["miss", "hit", "miss"]


async def test_the_cache_is_bounded() -> None:
    observer = CountingObserver()
    profiles = agent(observer=observer, cache_size=2)
    for name in ("甲", "乙", "丙", "甲"):
        await profiles.fetch(TENANT, Influencer(name=name))
    assert observer.cache == ["miss"] * 4


async def test_a_changed_session_style_is_seen_at_once() -> None:
    profiles = agent()
    await profiles.fetch(TENANT, LIN)
    fetched = await profiles.fetch(TENANT, replace(LIN, style=Style(humor=0.9)))
    assert fetched.profile.humor == 0.9


async def test_a_read_that_an_adoption_overtakes_is_not_cached() -> None:
    store = Profiles()
    reading, go_on = asyncio.Event(), asyncio.Event()

    class SlowStore(Profiles):
        async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
            found = await store.get(tenant_id, influencer)
            if not reading.is_set():
                reading.set()
                await go_on.wait()
            return found

        async def put(
            self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
        ) -> None:
            await store.put(tenant_id, influencer, profile, expected_revision)

    profiles = agent(SlowStore())
    slow = asyncio.ensure_future(profiles.fetch(TENANT, LIN))
    await reading.wait()
    await profiles.adopt(TENANT, LIN, LIVELY)
    go_on.set()
    await slow
    assert (await profiles.fetch(TENANT, LIN)).profile.samples == 1


async def test_another_influencer_does_not_get_the_sessions_style() -> None:
    profiles = agent()
    await profiles.adopt(TENANT, Influencer(name="朵朵姐"), LIVELY)
    host = replace(LIN, style=Style(tone="稳重"))
    fetched = (await profiles.fetch(TENANT, host, target_name="朵朵姐")).profile
    assert fetched.influencer_name == "朵朵姐"
    assert fetched.tone == ""
    assert "真的绝了" in fetched.catchphrases


async def test_tenants_do_not_learn_from_each_other() -> None:
    profiles = agent()
    await profiles.adopt("tenant_b", LIN, LIVELY)
    assert (await profiles.fetch(TENANT, LIN)).profile.samples == 0


def test_a_bare_style_becomes_a_profile() -> None:
    assert profile_of_style(Style(humor=0.8), "食品").humor == 0.8
