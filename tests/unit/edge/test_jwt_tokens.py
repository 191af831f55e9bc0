from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scriptgen.domain.errors import UnauthenticatedError
from scriptgen.domain.identity import Principal
from scriptgen.rpc.auth.jwt_tokens import TokenRules, TokenVerifier
from scriptgen.rpc.auth.key_sources import KeySetFile, KeySetUrl, KeySource, PublicKeyFile, SharedSecret

SECRET = "a-secret-of-at-least-thirty-two-bytes"
RULES = TokenRules(("HS256",), issuer="https://issuer", audience="scriptgen", leeway=5)
FIRST = rsa.generate_private_key(65537, 2048)
SECOND = rsa.generate_private_key(65537, 2048)


def claims(**changes: Any) -> dict[str, Any]:
    complete = {
        "sub": "service-1",
        "tenant_id": "t1",
        "exp": time.time() + 60,
        "iss": "https://issuer",
        "aud": "scriptgen",
        **changes,
    }
    return {key: value for key, value in complete.items() if value is not None}


def pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def jwk(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, Any]:
    described: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**described, "kid": key_id, "use": "sig"}


def key_set(*keys: dict[str, Any]) -> str:
    return json.dumps({"keys": keys})


def signed_by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes | None) -> str:
    """What an attacker sends: PyJWT itself refuses to make some of these."""

    def encode(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    body = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}"
    signature = b"" if secret is None else hmac.new(secret, body.encode(), hashlib.sha256).digest()
    return f"{body}.{encode(signature)}"


async def verify(token: str, rules: TokenRules = RULES, keys: KeySource | None = None) -> Principal:
    return await TokenVerifier(rules, keys or SharedSecret(SECRET)).verify(token)


async def reason_of(token: str, rules: TokenRules = RULES, keys: KeySource | None = None) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        await verify(token, rules, keys)
    return caught.value.reason


async def test_a_good_token_stands_for_its_claims() -> None:
    token = jwt.encode(
        claims(role="admin", user_id="anna", allowed_categories=["美妆"], allowed_skills=["generate"]), SECRET
    )
    principal = await verify(token)
    assert principal == Principal(
        tenant_id="t1",
        user_id="anna",
        role="admin",
        key_id="sub:service-1",
        allowed_categories=frozenset({"美妆"}),
        allowed_skills=frozenset({"generate"}),
    )


@pytest.mark.parametrize("claim", ["exp", "sub", "tenant_id", "iss", "aud"])
async def test_a_token_without_a_required_claim_is_invalid(claim: str) -> None:
    assert await reason_of(jwt.encode(claims(**{claim: None}), SECRET)) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-service"},
        {"iss": "https://elsewhere"},
        {"nbf": 4102444800},
        {"iat": 4102444800},
        {"tenant_id": 7},
        {"tenant_id": "a b"},
        {"tenant_id": "{t}"},
        {"tenant_id": ["t1"]},
        {"sub": ""},
        {"sub": 7},
        {"role": ["admin"]},
        {"user_id": "a b"},
        {"allowed_categories": "美妆"},
        {"allowed_skills": [1]},
        {"exp": "soon"},
    ],
    ids=repr,
)
async def test_a_token_with_a_wrong_claim_is_invalid(wrong: dict[str, Any]) -> None:
    token = signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(**wrong), SECRET.encode())
    assert await reason_of(token) == "TOKEN_INVALID"


async def test_a_token_expires_after_its_leeway() -> None:
    assert (await verify(jwt.encode(claims(exp=time.time() - 2), SECRET))).tenant_id == "t1"
    assert await reason_of(jwt.encode(claims(exp=time.time() - 10), SECRET)) == "TOKEN_EXPIRED"


async def test_a_forged_token_is_not_told_that_it_expired() -> None:
    token = jwt.encode(claims(exp=1000), SECRET[::-1])
    assert await reason_of(token) == "TOKEN_INVALID"


async def test_an_audience_is_refused_where_none_is_configured() -> None:
    rules = TokenRules(("HS256",))
    assert await reason_of(jwt.encode(claims(), SECRET), rules) == "TOKEN_INVALID"
    assert (await verify(jwt.encode(claims(aud=None), SECRET), rules)).tenant_id == "t1"


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", ""])
async def test_a_token_without_a_signature_is_invalid(algorithm: str) -> None:
    assert await reason_of(signed_by_hand({"alg": algorithm}, claims(), None)) == "TOKEN_INVALID"
    with pytest.raises(ValueError):
        TokenVerifier(TokenRules((algorithm,) if algorithm else ()), SharedSecret(SECRET))


async def test_a_public_key_does_not_verify_as_a_shared_secret(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(pem(FIRST))
    keys = PublicKeyFile(tmp_path / "key.pem")
    rules = TokenRules(("RS256",), issuer="https://issuer", audience="scriptgen")
    assert (await verify(jwt.encode(claims(), FIRST, algorithm="RS256"), rules, keys)).tenant_id == "t1"
    confused = signed_by_hand({"alg": "HS256", "typ": "JWT"}, claims(), pem(FIRST))
    assert await reason_of(confused, rules, keys) == "TOKEN_INVALID"


async def test_another_algorithm_of_the_same_family_is_refused_too() -> None:
    token = jwt.encode(claims(), SECRET * 2, algorithm="HS512")
    assert await reason_of(token, RULES, SharedSecret(SECRET * 2)) == "TOKEN_INVALID"


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u"])
async def test_a_key_in_the_token_itself_is_not_used(tmp_path: Path, header: str) -> None:
    (tmp_path / "key.pem").write_bytes(pem(FIRST))
    value: Any = jwk(SECOND, "mine") if header == "jwk" else "https://evil.example/keys"
    token = jwt.encode(claims(), SECOND, algorithm="RS256", headers={header: value})
    rules = TokenRules(("RS256",), issuer="https://issuer", audience="scriptgen")
    assert await reason_of(token, rules, PublicKeyFile(tmp_path / "key.pem")) == "TOKEN_INVALID"


async def test_an_extension_that_must_be_understood_is_refused() -> None:
    token = signed_by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, claims(), SECRET.encode())
    assert await reason_of(token) == "TOKEN_INVALID"


@pytest.mark.parametrize("rubbish", ["", "a", "a.b", "a.b.c", "..", "é.é.é", "x" * 100_000, "W10.e30.e30"])
async def test_rubbish_is_invalid(rubbish: str) -> None:
    assert await reason_of(rubbish) == "TOKEN_INVALID"


RS = TokenRules(("RS256",), issuer="https://issuer", audience="scriptgen")


def rs_token(key: rsa.RSAPrivateKey, key_id: Any) -> str:
    headers = {} if key_id is None else {"kid": key_id}
    return jwt.encode(claims(), key, algorithm="RS256", headers=headers)


async def test_a_key_set_file_is_used_by_key_id_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set(jwk(FIRST, "first")))
    keys = KeySetFile(path)
    keys._file._check_seconds = 0
    assert (await verify(rs_token(FIRST, "first"), RS, keys)).tenant_id == "t1"
    assert (await verify(rs_token(FIRST, None), RS, keys)).tenant_id == "t1", "a single key needs no name"
    assert await reason_of(rs_token(SECOND, "second"), RS, keys) == "TOKEN_INVALID"
    assert await reason_of(rs_token(SECOND, "first"), RS, keys) == "TOKEN_INVALID"
    path.write_text(key_set(jwk(FIRST, "first"), jwk(SECOND, "second")))
    assert (await verify(rs_token(SECOND, "second"), RS, keys)).tenant_id == "t1"
    assert await reason_of(rs_token(FIRST, None), RS, keys) == "TOKEN_INVALID"
    path.write_text("broken")
    assert (await verify(rs_token(SECOND, "second"), RS, keys)).tenant_id == "t1"


def test_a_key_set_with_only_shared_secrets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text(key_set({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}))
    with pytest.raises(ValueError):
        KeySetFile(path)


class Issuer:
    """A real HTTP server that publishes a key set."""

    def __init__(self) -> None:
        self.body = ""
        self.fetched = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        self.url = ""

    async def keys(self, request: web.Request) -> web.Response:
        self.fetched += 1
        return web.Response(text=self.body, status=self.status, headers=self.headers)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    published = Issuer()
    app = web.Application()
    app.router.add_get("/keys", published.keys)
    app.router.add_get("/elsewhere", published.keys)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    published.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
    yield published
    await runner.cleanup()


async def test_an_unknown_key_id_fetches_the_set_again_but_not_more_often_than_allowed(
    issuer: Issuer,
) -> None:
    now = [0.0]
    keys = KeySetUrl(issuer.url, min_interval=30, monotonic=lambda: now[0])
    issuer.body = key_set(jwk(FIRST, "first"))
    assert (await verify(rs_token(FIRST, "first"), RS, keys)).tenant_id == "t1"
    issuer.body = key_set(jwk(FIRST, "first"), jwk(SECOND, "second"))
    for attempt in range(5):
        assert await reason_of(rs_token(SECOND, f"made-up-{attempt}"), RS, keys) == "TOKEN_INVALID"
    assert issuer.fetched == 1
    now[0] = 30
    assert (await verify(rs_token(SECOND, "second"), RS, keys)).tenant_id == "t1"
    assert issuer.fetched == 2


async def test_callers_at_once_share_one_fetch(issuer: Issuer) -> None:
    keys = KeySetUrl(issuer.url)
    issuer.body = key_set(jwk(FIRST, "first"))
    token = rs_token(FIRST, "first")
    await asyncio.gather(*(verify(token, RS, keys) for _ in range(10)))
    assert issuer.fetched == 1


async def test_an_issuer_that_is_away_or_talks_nonsense_leaves_the_last_good_set(issuer: Issuer) -> None:
    now = [0.0]
    keys = KeySetUrl(issuer.url, min_interval=30, max_age=300, monotonic=lambda: now[0])
    issuer.body = key_set(jwk(FIRST, "first"))
    token = rs_token(FIRST, "first")
    await verify(token, RS, keys)
    huge = key_set(jwk(SECOND, "second")) + " " * 2_000_000
    for body, status in (("nonsense", 200), ("", 500), (huge, 200), (key_set(), 200)):
        now[0] += 301
        issuer.body, issuer.status = body, status
        assert (await verify(token, RS, keys)).tenant_id == "t1"
    assert issuer.fetched == 5
    now[0] += 301
    issuer.body, issuer.status = key_set(jwk(SECOND, "second")), 200
    assert await reason_of(token, RS, keys) == "TOKEN_INVALID", "a key that was taken out is gone"


async def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    issuer.body, issuer.status = key_set(jwk(FIRST, "first")), 302
    issuer.headers = {"Location": issuer.url.replace("/keys", "/elsewhere")}
    assert await reason_of(rs_token(FIRST, "first"), RS, KeySetUrl(issuer.url)) == "TOKEN_INVALID"
    assert issuer.fetched == 1


def test_a_key_set_is_fetched_over_http_only() -> None:
    with pytest.raises(ValueError):
        KeySetUrl("file:///etc/passwd")
