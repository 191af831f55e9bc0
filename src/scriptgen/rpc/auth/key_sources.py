"""Where the keys that verify tokens come from: a fixed key, a JSON Web Key Set file, or one behind a URL.

A token's header never chooses a key but by `kid`, and only among the configured ones: `jku`, `x5u`, `jwk` and
`x5c` are not looked at.
"""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from .watched_file import WatchedFile

logger = logging.getLogger("scriptgen.auth")

MAX_KEY_SET_BYTES: Final = 1024 * 1024
FETCH_SECONDS: Final = 5.0
#: A key set is fetched again when it is this old, or when a token names an unknown key …
MAX_AGE_SECONDS: Final = 300.0
#: … but never more often than this, so that made-up key ids cannot be used to hammer the issuer.
MIN_INTERVAL_SECONDS: Final = 30.0


class KeySource(Protocol):
    async def key(self, key_id: str | None) -> Any:
        """The key for a token's `kid`, or None when there is none."""


class SharedSecret:
    """One secret of the HS family; `kid` does not matter."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    async def key(self, key_id: str | None) -> Any:  # noqa: ARG002
        return self._secret


class PublicKeyFile:
    """One PEM public key; `kid` does not matter."""

    def __init__(self, path: Path | str) -> None:
        """Raises OSError or ValueError."""
        self._file = WatchedFile((Path(path),), lambda data: load_pem_public_key(data[0]))

    async def key(self, key_id: str | None) -> Any:  # noqa: ARG002
        return self._file.current()


class KeySetFile:
    """A JSON Web Key Set in a file, read again when it changes."""

    def __init__(self, path: Path | str) -> None:
        """Raises OSError or ValueError."""
        self._file = WatchedFile((Path(path),), lambda data: parse_key_set(data[0]))

    async def key(self, key_id: str | None) -> Any:
        return choose(self._file.current(), key_id)


class KeySetUrl:
    """A JSON Web Key Set behind a configured URL; while it cannot be fetched, the last good one stays."""

    def __init__(
        self,
        url: str,
        *,
        min_interval: float = MIN_INTERVAL_SECONDS,
        max_age: float = MAX_AGE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise ValueError("a key set URL is http or https")
        self._url = url
        self._min_interval = min_interval
        self._max_age = max_age
        self._monotonic = monotonic
        self._keys: dict[str, Any] = {}
        self._tried: float | None = None
        self._fetched: float | None = None
        self._fetching = asyncio.Lock()

    async def key(self, key_id: str | None) -> Any:
        found = choose(self._keys, key_id)
        if found is not None and not self._old():
            return found
        if found is not None and self._fetching.locked():
            # Somebody is fetching already and this key is good enough meanwhile.
            return found
        async with self._fetching:
            if self._may_fetch():
                await self._fetch()
        return choose(self._keys, key_id)

    def _old(self) -> bool:
        return self._fetched is None or self._monotonic() - self._fetched > self._max_age

    def _may_fetch(self) -> bool:
        return self._tried is None or self._monotonic() - self._tried >= self._min_interval

    async def _fetch(self) -> None:
        self._tried = self._monotonic()
        try:
            self._keys = parse_key_set(await asyncio.to_thread(_download, self._url))
        except (OSError, ValueError) as error:
            logger.warning(
                "key set not fetched, last good one kept",
                extra={"fields": {"error": type(error).__name__, "keys": len(self._keys)}},
            )
        else:
            self._fetched = self._tried


def parse_key_set(data: bytes) -> dict[str, Any]:
    """Public signature keys by `kid`; symmetric keys and keys of unknown kinds are passed over. Raises
    ValueError when no key is left.
    """
    try:
        parsed = jwt.PyJWKSet.from_json(data.decode())
    except (jwt.PyJWTError, AttributeError, TypeError, KeyError) as error:
        raise ValueError("not a JSON Web Key Set") from error
    keys = {
        key.key_id or "": key.key
        for key in parsed.keys
        if key.key_type in {"RSA", "EC", "OKP"} and key.public_key_use in {None, "sig"}
    }
    if not keys:
        raise ValueError("no usable key in the JSON Web Key Set")
    return keys


def choose(keys: dict[str, Any], key_id: str | None) -> Any:
    """The key of this id; a token without one is served when there is a single key."""
    if key_id is None:
        return next(iter(keys.values())) if len(keys) == 1 else None
    return keys.get(key_id)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The address comes from the settings alone; an answer must not send the service elsewhere."""

    def redirect_request(  # noqa: PLR0917 (urllib's signature)
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None: ...


def _download(url: str) -> bytes:
    opener = urllib.request.build_opener(_NoRedirects)
    with opener.open(url, timeout=FETCH_SECONDS) as response:
        data: bytes = response.read(MAX_KEY_SET_BYTES + 1)
    if len(data) > MAX_KEY_SET_BYTES:
        raise ValueError("key set too large")
    return data
