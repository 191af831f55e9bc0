"""Checks a bearer token (RFC 7519, with the advice of RFC 8725) and says whom it stands for.

Claims: `sub` (who calls) and `tenant_id` are required, as are `exp` and, when configured, `iss` and `aud`.
Optional: `role`; `user_id`, which binds the token to one end user; `allowed_categories`, `allowed_skills`.
"""

from __future__ import annotations

from typing import Any

import jwt
import msgspec

from scriptgen.domain.errors import UnauthenticatedError
from scriptgen.domain.identity import Principal

from .key_sources import KeySource
from .names import TENANT_ID, USER_ID

MAX_TOKEN_CHARACTERS = 8192


class TokenRules(msgspec.Struct, frozen=True):
    """`algorithms` are of one key family; empty `issuer` and `audience` are not configured; `leeway` in
    seconds.
    """

    algorithms: tuple[str, ...]
    issuer: str = ""
    audience: str = ""
    leeway: float = 10.0


class TokenVerifier:
    def __init__(self, rules: TokenRules, keys: KeySource) -> None:
        if not rules.algorithms or "none" in {name.lower() for name in rules.algorithms}:
            raise ValueError("a token needs a signature")
        self._rules = rules
        self._keys = keys
        required = ["exp", "sub", "tenant_id"]
        required += ["iss"] if rules.issuer else []
        required += ["aud"] if rules.audience else []
        self._required = required

    async def verify(self, token: str) -> Principal:
        """Raises `UnauthenticatedError` (TOKEN_EXPIRED, or TOKEN_INVALID for every other flaw)."""
        try:
            return _principal(await self._claims(token))
        except jwt.ExpiredSignatureError:
            raise UnauthenticatedError("The token has expired.", reason="TOKEN_EXPIRED") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            # Forged input meets several libraries here; which of them refused is nobody's business.
            raise UnauthenticatedError("The token is not valid.", reason="TOKEN_INVALID") from None

    async def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise ValueError("token too long")
        header = jwt.get_unverified_header(token)
        # Checked before a key is looked for, and not left to the version of PyJWT that is installed.
        if header.get("alg") not in self._rules.algorithms or "crit" in header:
            raise ValueError("unacceptable header")
        key_id = header.get("kid")
        key = await self._keys.key(key_id)
        if key is None:
            raise ValueError("unknown key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(self._rules.algorithms),
            issuer=self._rules.issuer or None,
            audience=self._rules.audience or None,
            leeway=self._rules.leeway,
            options={"require": self._required},
        )
        return claims


def _principal(claims: dict[str, Any]) -> Principal:
    tenant, subject, user = claims["tenant_id"], claims["sub"], claims.get("user_id", "")
    if not TENANT_ID.fullmatch(tenant) or not subject or (user and not USER_ID.fullmatch(user)):
        raise ValueError("unacceptable claims")
    return Principal(
        tenant_id=tenant,
        user_id=user,
        role=_text(claims.get("role", "")),
        key_id=f"sub:{subject}",
        allowed_categories=_texts(claims.get("allowed_categories", [])),
        allowed_skills=_texts(claims.get("allowed_skills", [])),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _texts(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return frozenset(_text(item) for item in value)
