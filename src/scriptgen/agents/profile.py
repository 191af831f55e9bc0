"""Finds out how an influencer speaks and learns from adopted scripts. Measuring is style_features.py's work,
the arithmetic profile_merge.py's; this module fetches, caches and stores.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.categories import knowledge_for
from scriptgen.domain.errors import RevisionConflictError, StoreUnavailableError
from scriptgen.domain.observer import Observer
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.quality import Severity
from scriptgen.domain.session import Influencer, Style

from .profile_merge import NEW_WEIGHT, blend, weight_of, with_stated
from .style_features import added_phrases, extract_features

_MAX_SAMPLES: Final = 10
_MAX_VARIANTS: Final = 8  # merged forms kept for one influencer (by session and category)
_OUTAGE_SECONDS: Final = 2.0  # how long an unreachable store is not asked again for the same influencer
_ADOPT_ATTEMPTS: Final = 5
STORE_WARNING: Final = "风格档案暂时读不到，这次按会话里给的风格和品类常用风格来写。"


class LearnedProfiles(Protocol):
    """What this agent needs of the profile store: a read, and a write that compares before it sets."""

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None: ...
    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None: ...


class FetchedProfile(msgspec.Struct, frozen=True):
    """`warning` is a sentence for the operator when the stored profile could not be read, else ""."""

    profile: StyleProfile
    warning: str = ""


@dataclass(slots=True)
class _Entry:
    stored: StyleProfile | None
    warning: str
    expires: float
    merged: dict[tuple[Influencer, str], StyleProfile] = field(default_factory=dict)


class ProfileAgent:
    """`cache_ttl` is in seconds; `cache_size` counts influencers. `clock` is monotonic.

    With a `checker`, phrases that the law forbids are never learned or handed out as catchphrases.
    """

    def __init__(
        self,
        store: LearnedProfiles,
        *,
        observer: Observer,
        cache_size: int = 1024,
        cache_ttl: float = 300.0,
        checker: ComplianceChecker | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._observer = observer
        self._cache_size = cache_size
        self._cache_ttl = cache_ttl
        self._checker = checker
        self._clock = clock
        self._cache: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._adoptions = 0

    async def fetch(
        self, tenant_id: str, influencer: Influencer, *, category: str = "", target_name: str = ""
    ) -> FetchedProfile:
        """The style to write in. `target_name` names another influencer than the session's: then only what
        was learned about that one counts. A store outage costs the learned part, never the request.
        """
        if target_name and target_name != influencer.name:
            influencer = Influencer(name=target_name)
        entry = await self._entry(tenant_id, influencer.name)
        variant = (influencer, category)
        profile = entry.merged.get(variant)
        if profile is None:
            if len(entry.merged) >= _MAX_VARIANTS:
                entry.merged.clear()
            profile = entry.merged[variant] = self._merge(entry.stored, influencer, category)
        return FetchedProfile(profile, entry.warning)

    def read_ahead(self, tenant_id: str, name: str) -> asyncio.Task[object] | None:
        """Begin to read what `fetch` will need of this influencer; None when nothing has to be read. The
        caller awaits the task, which ends within the store's own time bound and does not fail.
        """
        entry = self._cache.get((tenant_id, name))
        if not name or (entry is not None and entry.expires > self._clock()):
            return None
        return asyncio.create_task(self._entry(tenant_id, name))

    async def adopt(
        self,
        tenant_id: str,
        influencer: Influencer,
        content: str,
        edited: str = "",
        *,
        category: str = "",
        product_terms: Iterable[str] = (),
    ) -> StyleProfile:
        """Learn from an adopted script: from `edited` as it will be said, and from what the host changed.

        Phrases the host took out of `content` stop being catchphrases; short exclamations put in become
        some. `product_terms` are never learned as phrases. Raises `RevisionConflictError` after five lost
        races, `StoreUnavailableError` when nothing could be stored.
        """
        said = edited or content
        name = influencer.name
        excluded = tuple(term for term in product_terms if term)
        for _ in range(_ADOPT_ATTEMPTS):
            stored = await self._store.get(tenant_id, name) if name else None
            base = stored or self._merge(None, replace(influencer, style=Style()), category)
            learned = self._learn(base, content, said, excluded)
            learned = replace(learned, influencer_name=name, revision=(stored.revision if stored else 0) + 1)
            if not name:
                return learned
            try:
                await self._store.put(tenant_id, name, learned, learned.revision - 1)
            except RevisionConflictError:
                continue
            finally:
                self._forget(tenant_id, name)
            return learned
        raise RevisionConflictError(
            "The influencer's profile is being changed by others; try again.", retry_after=0.1
        )

    def _learn(self, base: StyleProfile, content: str, said: str, excluded: tuple[str, ...]) -> StyleProfile:
        features = extract_features([said])
        if features is None:
            return base
        phrases = (*added_phrases(content, said), *features.catchphrases)
        fresh = tuple(p for p in dict.fromkeys(phrases) if not any(term in p for term in excluded))
        removed = {phrase for phrase in base.catchphrases if phrase in content and phrase not in said}
        kept = tuple(phrase for phrase in base.catchphrases if phrase not in removed)
        moved = blend(replace(base, catchphrases=kept), replace(features, catchphrases=fresh), NEW_WEIGHT)
        return self._lawful(moved)

    async def _entry(self, tenant_id: str, name: str) -> _Entry:
        key = (tenant_id, name)
        entry = self._cache.get(key)
        if entry is not None and entry.expires > self._clock():
            self._cache.move_to_end(key)
            self._observer.profile_cache("hit")
            return entry
        adoptions = self._adoptions
        try:
            stored = await self._store.get(tenant_id, name) if name else None
        except StoreUnavailableError:
            self._observer.profile_cache("unavailable")
            entry = _Entry(None, STORE_WARNING, self._clock() + _OUTAGE_SECONDS)
        else:
            self._observer.profile_cache("miss")
            entry = _Entry(stored, "", self._clock() + self._cache_ttl)
        # What was read before an adoption finished may be older than the adoption: use it, do not keep it.
        if adoptions == self._adoptions:
            self._cache[key] = entry
            self._cache.move_to_end(key)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return entry

    def _forget(self, tenant_id: str, name: str) -> None:
        self._adoptions += 1
        self._cache.pop((tenant_id, name), None)

    def _merge(self, stored: StyleProfile | None, influencer: Influencer, category: str) -> StyleProfile:
        samples = extract_features(influencer.sample_scripts[:_MAX_SAMPLES])
        if stored is not None:
            profile = blend(stored, samples, NEW_WEIGHT) if samples else stored
        else:
            profile = knowledge_for(category).generic_profile()
            if samples:
                profile = blend(profile, samples, weight_of(samples.samples))
        stated = with_stated(profile, influencer.style)
        return self._lawful(replace(stated, influencer_name=influencer.name))

    def _lawful(self, profile: StyleProfile) -> StyleProfile:
        checker = self._checker
        if checker is None or not profile.catchphrases:
            return profile
        allowed = tuple(
            phrase
            for phrase in profile.catchphrases
            if all(issue.severity is not Severity.BLOCK for issue in checker.review(phrase))
        )
        return replace(profile, catchphrases=allowed)


def profile_of_style(style: Style, category: str = "") -> StyleProfile:
    """The profile of somebody of whom only a stated style is known."""
    return with_stated(knowledge_for(category).generic_profile(), style)
