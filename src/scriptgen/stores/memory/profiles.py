"""Learned style profiles in memory."""

from __future__ import annotations

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.profile import StyleProfile
from scriptgen.stores.rules import check_profile_revision, revision_conflict

from .state import MemoryState


class MemoryProfileStore:
    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        return self._state.profiles.get((tenant_id, influencer))

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        check_profile_revision(profile.revision, expected_revision)
        profiles, place = self._state.profiles, (tenant_id, influencer)
        stored = profiles.get(place)
        if stored == profile:
            return
        if (stored.revision if stored else 0) != expected_revision:
            raise revision_conflict()
        if stored is None and len(profiles) >= self._state.retention.max_sessions:
            raise StoreUnavailableError("The service holds as many style profiles as it may.")
        profiles[place] = profile

    async def status(self) -> ComponentStatus:
        return ComponentStatus(
            "profile_store", ComponentState.OK, "memory", {"profiles": str(len(self._state.profiles))}
        )

    async def close(self) -> None:
        """Nothing to release."""
