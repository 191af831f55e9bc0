"""Learned style profiles in Redis; they are kept for ever."""

from __future__ import annotations

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.profile import StyleProfile
from scriptgen.stores.rules import check_profile_revision, decoded_document, revision_conflict

from .backend import PUT_PROFILE, RedisBackend


class RedisProfileStore:
    def __init__(self, backend: RedisBackend) -> None:
        self._backend = backend

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        body = await self._backend.command("HGET", self._backend.keys.profile(tenant_id, influencer), "body")
        return decoded_document(body, StyleProfile) if body is not None else None

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        check_profile_revision(profile.revision, expected_revision)
        stored = await self._backend.run(
            PUT_PROFILE,
            [self._backend.keys.profile(tenant_id, influencer)],
            [expected_revision, profile.revision, canonical_json(profile)],
        )
        if not stored:
            raise revision_conflict()

    async def status(self) -> ComponentStatus:
        return await self._backend.status("profile_store")

    async def close(self) -> None:
        await self._backend.close()
