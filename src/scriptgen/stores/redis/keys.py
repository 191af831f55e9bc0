"""Names of Redis keys. All keys of one session share a hash tag, so that one script can write them.

Ids are percent-encoded before they enter a name: a colon or brace in one of them can then neither end the
tag nor move the border between tenant and session, so no tenant can name another's key.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from scriptgen.domain.session import SessionKey


class Keys(msgspec.Struct, frozen=True):
    prefix: str

    def of_session(self, key: SessionKey) -> tuple[str, str, str, str]:
        """Session, turns, script places and log, in the order of the scripts' KEYS."""
        tag = f"{self.prefix}:{{{_part(key.tenant_id)}:{_part(key.session_id)}}}"
        return f"{tag}:session", f"{tag}:turns", f"{tag}:scripts", f"{tag}:log"

    def log(self, key: SessionKey) -> str:
        return self.of_session(key)[3]

    def events(self, key: SessionKey, request_id: str) -> tuple[str, str]:
        """What is known of a request's events, and the events."""
        tag = f"{self.prefix}:{{{_part(key.tenant_id)}:{_part(key.session_id)}}}:events:{_part(request_id)}"
        return tag, f"{tag}:batches"

    def index(self, tenant_id: str) -> str:
        return f"{self.prefix}:{{{_part(tenant_id)}}}:sessions"

    def profile(self, tenant_id: str, influencer: str) -> str:
        return f"{self.prefix}:{{{_part(tenant_id)}}}:profile:{_part(influencer)}"

    def probe(self) -> str:
        return f"{self.prefix}:probe"


def _part(text: str) -> str:
    return quote(text, safe="")
