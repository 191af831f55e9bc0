"""From a call's metadata to its principal: which credential counts, and whose end user the call is for.

The tenant comes from the credential alone; only in development, and only without a credential, may a caller
name it. `x-user-id` names the end user on whose behalf a credential acts; a token that carries `user_id` is
bound to that user and the header is ignored, unless its role is admin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec.structs import replace

from scriptgen.domain.errors import (
    FieldViolation,
    InvalidArgumentError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from scriptgen.domain.identity import ADMIN_ROLE, Principal

from .api_keys import ApiKeys
from .names import TENANT_ID, USER_ID

if TYPE_CHECKING:  # its libraries are only loaded where tokens are accepted
    from .jwt_tokens import TokenVerifier

DEVELOPMENT_TENANT = "tenant_dev"


class Authenticator:
    """`anonymous_allowed` (development): without a credential a call acts as `x-tenant-id` or the default."""

    def __init__(
        self,
        *,
        anonymous_allowed: bool,
        api_keys: ApiKeys | None = None,
        tokens: TokenVerifier | None = None,
    ) -> None:
        if not anonymous_allowed and api_keys is None and tokens is None:
            raise ValueError("nobody could ever call: no source of credentials")
        self._anonymous_allowed = anonymous_allowed
        self._api_keys = api_keys
        self._tokens = tokens

    async def authenticate(self, metadata: Mapping[str, str]) -> Principal:
        """Raises `UnauthenticatedError`, `PermissionDeniedError` (TENANT_INACTIVE), and
        `InvalidArgumentError` for an id in the metadata that no id can be.
        """
        principal = await self._from_credential(metadata)
        if principal is None:
            if not self._anonymous_allowed:
                raise UnauthenticatedError("A bearer token or an API key is needed.")
            tenant = metadata.get("x-tenant-id", "") or DEVELOPMENT_TENANT
            if not TENANT_ID.fullmatch(tenant):
                raise InvalidArgumentError([_bad_header("x-tenant-id", "1 to 64 of [A-Za-z0-9._-]")])
            principal = Principal(tenant_id=tenant)
        if self._api_keys is not None and not self._api_keys.tenant_active(principal.tenant_id):
            raise PermissionDeniedError("The tenant is switched off.")
        user = metadata.get("x-user-id", "")
        if not user or (principal.user_id and principal.role != ADMIN_ROLE):
            return principal
        if not USER_ID.fullmatch(user):
            raise InvalidArgumentError([_bad_header("x-user-id", "1 to 128 of [A-Za-z0-9._:@+-]")])
        return replace(principal, user_id=user)

    async def _from_credential(self, metadata: Mapping[str, str]) -> Principal | None:
        """A token counts before a key; a credential that is there but wrong is never ignored."""
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        if scheme:
            if scheme.lower() != "bearer" or self._tokens is None:
                raise UnauthenticatedError("The token is not valid.", reason="TOKEN_INVALID")
            return await self._tokens.verify(token.strip())
        key = metadata.get("x-api-key", "")
        if not key:
            return None
        if self._api_keys is None:
            raise UnauthenticatedError("The API key is not valid.", reason="API_KEY_INVALID")
        return self._api_keys.verify(key)


def _bad_header(name: str, takes: str) -> FieldViolation:
    return FieldViolation(f"metadata.{name}", f"takes {takes}")
