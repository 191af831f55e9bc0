"""The file of API keys: its format, and creating, listing and revoking keys in it (used by `scriptgen keys`).

Not responsible for checking a caller's key: `api_keys` is. The format is JSON:
`{"version": 1, "keys": [KeyRecord…], "tenants": {"<id>": {"active": false}}}`; times are Unix seconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from .names import TENANT_ID

PREFIX = "sg"


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One key without its secret. Empty lists allow everything; None limits are the service's defaults."""

    key_id: str
    tenant: str
    salt: str
    hash: str
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    role: str = ""
    allowed_categories: tuple[str, ...] = ()
    allowed_skills: tuple[str, ...] = ()
    qps: float | None = None
    tokens_per_minute: int | None = None
    concurrent_generations: int | None = None
    note: str = ""

    def usable(self, now: float) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class TenantRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant that is named in the file; one that is not is active."""

    active: bool = True


class KeyFileContent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int = 1
    keys: tuple[KeyRecord, ...] = ()
    tenants: dict[str, TenantRecord] = {}


def decode(data: bytes) -> KeyFileContent:
    """Raises ValueError (msgspec's errors are) for anything that is not a key file of this version."""
    content = msgspec.json.decode(data, type=KeyFileContent)
    if content.version != 1:
        raise ValueError("unknown version of the key file")
    return content


def hash_secret(secret: str, salt: str, pepper: str) -> str:
    """HMAC-SHA-256. A slow password hash would add nothing: the secret is 256 random bits, beyond guessing,
    and every call verifies one.
    """
    return hmac.new(pepper.encode(), f"{salt}:{secret}".encode(), hashlib.sha256).hexdigest()


class KeyFile:
    """Edits a key file. Every change is atomic (a new file takes the old one's place, mode 0600) and excludes
    other writers; a running service notices within a second.
    """

    def __init__(self, path: Path | str, *, pepper: str = "", now: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._pepper = pepper
        self._now = now

    def create(
        self,
        *,
        tenant: str,
        role: str = "",
        env: str = "live",
        expires_in_seconds: int | None = None,
        allowed_categories: tuple[str, ...] = (),
        allowed_skills: tuple[str, ...] = (),
        qps: float | None = None,
        tokens_per_minute: int | None = None,
        concurrent_generations: int | None = None,
        note: str = "",
    ) -> tuple[str, KeyRecord]:
        """Add a key; returns its plaintext, which is stored nowhere, and its record. Raises ValueError for a
        tenant, `env` or limit that cannot be. Tenants may have any number of live keys, so that keys can be
        changed without a gap.
        """
        if not TENANT_ID.fullmatch(tenant):
            raise ValueError("a tenant takes 1 to 64 letters, digits, dots, dashes and underscores")
        if not (env.isascii() and env.isalnum()):
            raise ValueError("an env takes letters and digits")
        if any(limit is not None and limit < 0 for limit in (qps, tokens_per_minute, concurrent_generations)):
            raise ValueError("a limit is not negative")
        if expires_in_seconds is not None and expires_in_seconds <= 0:
            raise ValueError("a key lives for more than 0 seconds")
        now = int(self._now())
        secret, salt = secrets.token_hex(32), secrets.token_hex(16)
        record = KeyRecord(
            key_id=secrets.token_hex(6),
            tenant=tenant,
            salt=salt,
            hash=hash_secret(secret, salt, self._pepper),
            created_at=now,
            expires_at=None if expires_in_seconds is None else now + expires_in_seconds,
            role=role,
            allowed_categories=allowed_categories,
            allowed_skills=allowed_skills,
            qps=qps,
            tokens_per_minute=tokens_per_minute,
            concurrent_generations=concurrent_generations,
            note=note,
        )
        with self._locked():
            content = self._load()
            self._write(msgspec.structs.replace(content, keys=(*content.keys, record)))
        return f"{PREFIX}_{env}_{record.key_id}_{secret}", record

    def list(self) -> tuple[KeyRecord, ...]:
        """All keys, oldest first; none when there is no file yet."""
        return self._load().keys

    def revoke(self, key_id: str) -> KeyRecord:
        """End a key now; ending it again changes nothing. Raises KeyError for an unknown id."""
        with self._locked():
            content = self._load()
            record = next((key for key in content.keys if key.key_id == key_id), None)
            if record is None:
                raise KeyError(key_id)
            if record.revoked_at is None:
                record = msgspec.structs.replace(record, revoked_at=int(self._now()))
                keys = tuple(record if key.key_id == key_id else key for key in content.keys)
                self._write(msgspec.structs.replace(content, keys=keys))
            return record

    def _load(self) -> KeyFileContent:
        try:
            return decode(self._path.read_bytes())
        except FileNotFoundError:
            return KeyFileContent()

    def _write(self, content: KeyFileContent) -> None:
        data = msgspec.json.format(msgspec.json.encode(content), indent=2)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            draft.replace(self._path)
        finally:
            draft.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lock = self._path.with_name(f".{self._path.name}.lock")
        with os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "wb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
