"""Finds out who calls, before anything else looks at the request. The rules are in `rpc.auth`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Protocol

from scriptgen.domain.identity import Principal

from .call import Call
from .chain import Interceptor


class Authenticates(Protocol):
    """rpc.auth.authenticator.Authenticator."""

    async def authenticate(self, metadata: Mapping[str, str]) -> Principal:
        """Raises `UnauthenticatedError`, `PermissionDeniedError` or `InvalidArgumentError`."""


class AuthInterceptor(Interceptor):
    name: ClassVar[str] = "auth"

    def __init__(self, authenticator: Authenticates) -> None:
        self._authenticator = authenticator

    async def enter(self, call: Call) -> None:
        call.principal = await self._authenticator.authenticate(call.metadata)
