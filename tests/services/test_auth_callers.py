"""Who may call, over the wire: development, API keys, end users, tenants that are switched off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest

from scriptgen.rpc.auth.api_keys import ApiKeys
from scriptgen.rpc.auth.authenticator import Authenticator
from scriptgen.rpc.auth.jwt_tokens import TokenRules, TokenVerifier
from scriptgen.rpc.auth.key_file import KeyFile
from scriptgen.rpc.auth.key_sources import SharedSecret
from scriptgen.v1 import generate_pb2 as pb

from .edge import EdgeServer, Refusal, refused, request

SECRET = "a-secret-of-at-least-thirty-two-bytes"


def keyed(path: Path, **options: Any) -> Authenticator:
    return Authenticator(anonymous_allowed=False, api_keys=ApiKeys(path, check_seconds=0), **options)


def token(**claims: Any) -> str:
    complete = {"sub": "service-1", "tenant_id": "tenant_jwt", "exp": 4102444800, **claims}
    return jwt.encode({key: value for key, value in complete.items() if value is not None}, SECRET)


def verifier() -> TokenVerifier:
    return TokenVerifier(TokenRules(("HS256",)), SharedSecret(SECRET))


async def who(server: EdgeServer, metadata: Mapping[str, str]) -> tuple[str, str]:
    """Tenant and user as the servicer sees them."""
    answer: pb.GenerateResponse = await server.generating.Generate(request(), metadata=list(metadata.items()))
    return answer.result.session_id, answer.result.reply


async def refusal_of(server: EdgeServer, metadata: Mapping[str, str]) -> Refusal:
    return await refused(server.generating.Generate(request(), metadata=list(metadata.items())))


async def test_development_asks_for_no_credential() -> None:
    async with EdgeServer() as server:
        assert await who(server, {}) == ("tenant_dev", "")
        assert await who(server, {"x-tenant-id": "t-2", "x-user-id": "anna"}) == ("t-2", "anna")


@pytest.mark.parametrize("header", ["x-tenant-id", "x-user-id"])
async def test_an_id_that_no_id_can_be_is_an_invalid_field(header: str) -> None:
    async with EdgeServer() as server:
        refusal = await refusal_of(server, {header: "a}{b"})
        assert refusal.reason == "INVALID_FIELD"
        assert refusal.details["BadRequest"].field_violations[0].field == f"metadata.{header}"


async def test_a_credential_counts_in_development_too(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, _ = KeyFile(path).create(tenant="tenant_a")
    authenticator = Authenticator(anonymous_allowed=True, api_keys=ApiKeys(path))
    async with EdgeServer(authenticator=authenticator) as server:
        assert await who(server, {"x-api-key": key, "x-tenant-id": "tenant_b"}) == ("tenant_a", "")
        assert (await refusal_of(server, {"x-api-key": "sg_live_x_y"})).reason == "API_KEY_INVALID"


async def test_production_without_a_credential_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    KeyFile(path).create(tenant="tenant_a")
    async with EdgeServer(authenticator=keyed(path)) as server:
        refusal = await refusal_of(server, {"x-tenant-id": "tenant_a"})
        assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
        assert refusal.reason == "CREDENTIALS_MISSING"


async def test_the_tenant_comes_from_the_key_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, _ = KeyFile(path).create(tenant="tenant_a")
    async with EdgeServer(authenticator=keyed(path)) as server:
        metadata = {"x-api-key": key, "x-tenant-id": "tenant_b", "x-user-id": "anna"}
        assert await who(server, metadata) == ("tenant_a", "anna")


async def test_a_key_carries_its_own_limits_to_the_limiter(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, _ = KeyFile(path).create(tenant="tenant_a", qps=2, concurrent_generations=1)
    async with EdgeServer(authenticator=keyed(path)) as server:
        await who(server, {"x-api-key": key})
        ((tenant, limits, _),) = server.limiter.asked
        assert tenant == "tenant_a"
        assert (limits.qps, limits.tokens_per_minute, limits.concurrent) == (2, 20000, 1)


async def test_keys_are_made_changed_and_revoked_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    file = KeyFile(path)
    old, old_record = file.create(tenant="tenant_a")
    async with EdgeServer(authenticator=keyed(path)) as server:
        assert (await who(server, {"x-api-key": old}))[0] == "tenant_a"
        new, _ = file.create(tenant="tenant_a")
        assert (await who(server, {"x-api-key": new}))[0] == "tenant_a"
        assert (await who(server, {"x-api-key": old}))[0] == "tenant_a", "both live during the change"
        file.revoke(old_record.key_id)
        assert (await refusal_of(server, {"x-api-key": old})).reason == "API_KEY_INVALID"
        assert (await who(server, {"x-api-key": new}))[0] == "tenant_a"


async def test_a_tenant_that_is_switched_off_is_denied_with_key_and_with_token(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, _ = KeyFile(path).create(tenant="tenant_a")
    authenticator = keyed(path, tokens=verifier())
    async with EdgeServer(authenticator=authenticator) as server:
        await who(server, {"x-api-key": key})
        content = json.loads(path.read_text())
        content["tenants"] = {"tenant_a": {"active": False}, "tenant_jwt": {"active": False}}
        path.write_text(json.dumps(content))
        for metadata in ({"x-api-key": key}, {"authorization": f"Bearer {token()}"}):
            refusal = await refusal_of(server, metadata)
            assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
            assert refusal.reason == "TENANT_INACTIVE"


async def test_a_token_names_tenant_and_role() -> None:
    authenticator = Authenticator(anonymous_allowed=False, tokens=verifier())
    async with EdgeServer(authenticator=authenticator) as server:
        assert await who(server, {"authorization": f"Bearer {token()}"}) == ("tenant_jwt", "")
        assert await who(server, {"authorization": f"bearer {token()}", "x-user-id": "anna"}) == (
            "tenant_jwt",
            "anna",
        )


async def test_a_token_bound_to_a_user_cannot_speak_for_another_unless_it_is_an_admins() -> None:
    authenticator = Authenticator(anonymous_allowed=False, tokens=verifier())
    async with EdgeServer(authenticator=authenticator) as server:
        bound = {"authorization": f"Bearer {token(user_id='anna')}", "x-user-id": "bert"}
        assert (await who(server, bound))[1] == "anna"
        admin = {"authorization": f"Bearer {token(user_id='anna', role='admin')}", "x-user-id": "bert"}
        assert (await who(server, admin))[1] == "bert"


async def test_an_expired_token_says_so_and_a_forged_one_does_not_say_why() -> None:
    authenticator = Authenticator(anonymous_allowed=False, tokens=verifier())
    async with EdgeServer(authenticator=authenticator) as server:
        expired = {"authorization": f"Bearer {token(exp=1000)}"}
        assert (await refusal_of(server, expired)).reason == "TOKEN_EXPIRED"
        forged = {"authorization": f"Bearer {jwt.encode({'sub': 'x'}, SECRET[::-1])}"}
        refusal = await refusal_of(server, forged)
        assert (refusal.reason, refusal.text) == ("TOKEN_INVALID", "The token is not valid.")


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "Bearer a.b.c", "Bearer ."])
async def test_a_credential_that_is_no_token_is_never_ignored(header: str) -> None:
    authenticator = Authenticator(anonymous_allowed=True, tokens=verifier())
    async with EdgeServer(authenticator=authenticator) as server:
        assert (await refusal_of(server, {"authorization": header})).reason == "TOKEN_INVALID"


async def test_a_token_is_refused_where_none_can_be_checked(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    key, _ = KeyFile(path).create(tenant="tenant_a")
    async with EdgeServer(authenticator=keyed(path)) as server:
        metadata = {"authorization": f"Bearer {token()}", "x-api-key": key}
        assert (await refusal_of(server, metadata)).reason == "TOKEN_INVALID"


async def test_many_callers_at_once_keep_their_own_identity(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    file = KeyFile(path)
    keys = {f"tenant_{number}": file.create(tenant=f"tenant_{number}")[0] for number in range(20)}

    async with EdgeServer(authenticator=keyed(path), max_inflight=100) as server:
        seen = await asyncio.gather(*(who(server, {"x-api-key": key}) for key in keys.values()))
    assert [tenant for tenant, _ in seen] == list(keys)


def test_a_service_that_nobody_could_call_is_not_built() -> None:
    with pytest.raises(ValueError, match="no source of credentials"):
        Authenticator(anonymous_allowed=False)
