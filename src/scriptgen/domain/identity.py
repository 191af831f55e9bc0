"""Who calls: the tenant and rights that a credential carries."""

from __future__ import annotations

import msgspec

ADMIN_ROLE = "admin"


class Principal(msgspec.Struct, frozen=True):
    """An authenticated caller. Empty allow-lists allow everything; None limits use the service's defaults.

    `qps` is requests per second, `tokens_per_minute` counts prompt and completion tokens.
    """

    tenant_id: str
    user_id: str = ""
    role: str = ""
    key_id: str = ""
    allowed_categories: frozenset[str] = frozenset()
    allowed_skills: frozenset[str] = frozenset()
    qps: float | None = None
    tokens_per_minute: int | None = None
    concurrent_generations: int | None = None

    @property
    def sees_all_users(self) -> bool:
        return self.role == ADMIN_ROLE

    def may_see(self, owner_user_id: str) -> bool:
        """Whether a session owned by `owner_user_id` ("" for the whole tenant) is visible to this caller."""
        return not owner_user_id or owner_user_id == self.user_id or self.sees_all_users

    def may_write_for(self, category: str) -> bool:
        return not category or not self.allowed_categories or category in self.allowed_categories

    def may_use(self, skill: str) -> bool:
        return not self.allowed_skills or skill in self.allowed_skills
