"""Learned style profiles in SQLite."""

from __future__ import annotations

import sqlite3

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.profile import StyleProfile
from scriptgen.stores.rules import check_profile_revision, decoded_document, revision_conflict

from .database import SqliteDatabase

_SELECT = "SELECT revision, body FROM profiles WHERE tenant = ? AND influencer = ?"


class SqliteProfileStore:
    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def get(self, tenant_id: str, influencer: str) -> StyleProfile | None:
        row = await self._database.read(
            lambda connection: connection.execute(_SELECT, (tenant_id, influencer)).fetchone()
        )
        return decoded_document(row[1], StyleProfile) if row else None

    async def put(
        self, tenant_id: str, influencer: str, profile: StyleProfile, expected_revision: int
    ) -> None:
        check_profile_revision(profile.revision, expected_revision)
        body = canonical_json(profile)

        def change(connection: sqlite3.Connection) -> None:
            stored = connection.execute(_SELECT, (tenant_id, influencer)).fetchone() or (0, b"")
            if stored == (profile.revision, body):
                return  # an earlier reply was lost
            if stored[0] != expected_revision:
                raise revision_conflict()
            connection.execute(
                "INSERT OR REPLACE INTO profiles (tenant, influencer, revision, body) VALUES (?, ?, ?, ?)",
                (tenant_id, influencer, profile.revision, body),
            )

        await self._database.write(change)

    async def status(self) -> ComponentStatus:
        return await self._database.status("profile_store")

    async def close(self) -> None:
        await self._database.close()
