"""Checks a caller's API key against the key file and says whom it stands for."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from pathlib import Path

from scriptgen.domain.errors import UnauthenticatedError
from scriptgen.domain.identity import Principal

from .key_file import PREFIX, KeyFileContent, KeyRecord, decode, hash_secret
from .watched_file import CHECK_SECONDS, WatchedFile

#: Verified instead of a record when the id is unknown, so that both cases take the same time. No secret is
#: known that hashes to zeros.
_DECOY = KeyRecord(key_id="", tenant="", salt="0" * 32, hash="0" * 64, created_at=0)


class ApiKeys:
    """The keys of one file, read again within a second of a change."""

    def __init__(
        self,
        path: Path | str,
        *,
        pepper: str = "",
        check_seconds: float = CHECK_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """The file must be there and good (`KeyFile.create` makes one): raises OSError, ValueError."""
        self._pepper = pepper
        self._now = now
        self._file = WatchedFile((Path(path),), _parse, check_seconds=check_seconds)

    def verify(self, key: str) -> Principal:
        """Raises `UnauthenticatedError` (API_KEY_INVALID): unknown, wrong, expired and revoked look alike."""
        prefix, _, rest = key.partition("_")
        _, _, rest = rest.partition("_")
        key_id, _, secret = rest.partition("_")
        records, _ = self._file.current()
        record = records.get(key_id, _DECOY)
        given = hash_secret(secret, record.salt, self._pepper)
        matches = hmac.compare_digest(given, record.hash)
        if not matches or prefix != PREFIX or not record.usable(self._now()):
            raise UnauthenticatedError("The API key is not valid.", reason="API_KEY_INVALID")
        return Principal(
            tenant_id=record.tenant,
            role=record.role,
            key_id=record.key_id,
            allowed_categories=frozenset(record.allowed_categories),
            allowed_skills=frozenset(record.allowed_skills),
            qps=record.qps,
            tokens_per_minute=record.tokens_per_minute,
            concurrent_generations=record.concurrent_generations,
        )

    def tenant_active(self, tenant_id: str) -> bool:
        """False only for a tenant that the file switches off; also asked for callers with a token."""
        _, content = self._file.current()
        tenant = content.tenants.get(tenant_id)
        return tenant is None or tenant.active


def _parse(data: tuple[bytes, ...]) -> tuple[dict[str, KeyRecord], KeyFileContent]:
    content = decode(data[0])
    return {record.key_id: record for record in content.keys}, content
