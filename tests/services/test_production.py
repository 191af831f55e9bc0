"""A production deployment seen from outside: who may do what, and what a stranger learns (nothing)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import jwt
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scriptgen.rpc.auth.key_file import KeyFile
from scriptgen.v1 import checkpoint_pb2, generate_pb2, session_pb2, status_pb2

from .live import Live, details, live, refused

PEPPER = "a pepper of the deployment"
SECRET = "a shared secret of more than thirty-two bytes"
OPENING = "写一段开场话术"

Metadata = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Deployment:
    live: Live
    keys: KeyFile
    path: Path

    def key(self, tenant: str = "acme", **fields: Any) -> Metadata:
        """A new key of the tenant, as the metadata of a call."""
        plaintext, _ = self.keys.create(tenant=tenant, **fields)
        return (("x-api-key", plaintext),)

    async def known(self, metadata: Metadata) -> Metadata:
        """Wait until the running server has read the key file again and takes this credential."""
        await self._until(metadata, known=True)
        return metadata

    async def forgotten(self, metadata: Metadata) -> None:
        await self._until(metadata, known=False)

    async def _until(self, metadata: Metadata, *, known: bool) -> None:
        async with asyncio.timeout(5):
            while await self._taken(metadata) is not known:
                await asyncio.sleep(0.05)

    async def _taken(self, metadata: Metadata) -> bool:
        try:
            await self.live.status.GetStatus(status_pb2.GetStatusRequest(), metadata=metadata)
        except grpc.aio.AioRpcError as error:
            assert error.code() in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}
            return False
        return True

    def generate(self, session: str, metadata: Metadata, query: str = OPENING, **fields: Any) -> Any:
        request = generate_pb2.GenerateRequest(session_id=session, query=query, **fields)
        return self.live.generation.Generate(request, metadata=metadata, timeout=20)

    def get(self, session: str, metadata: Metadata) -> Any:
        return self.live.sessions.GetSession(
            session_pb2.GetSessionRequest(session_id=session), metadata=metadata
        )


@asynccontextmanager
async def deployment(folder: Path, **environment: str) -> AsyncIterator[Deployment]:
    path = folder / "keys.json"
    keys = KeyFile(path, pepper=PEPPER)
    keys.create(tenant="somebody")
    async with live(
        APP_ENV="production",
        API_KEYS_FILE=str(path),
        API_KEY_PEPPER=PEPPER,
        JWT_SECRET=SECRET,
        **environment,
    ) as running:
        yield Deployment(running, keys, path)


@pytest.fixture
async def deployed(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with deployment(tmp_path) as running:
        yield running


def bearer(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> Metadata:
    content = {"sub": "backend", "tenant_id": "acme", "exp": time.time() + 60, **claims}
    return (("authorization", f"Bearer {jwt.encode(content, secret, algorithm)}"),)


async def test_no_rpc_of_the_service_answers_without_a_credential(deployed: Deployment) -> None:
    """And each says so before it looks at the request: an empty one is wrong for most of them."""
    services = (
        (deployed.live.sessions, session_pb2),
        (deployed.live.generation, generate_pb2),
        (deployed.live.checkpoints, checkpoint_pb2),
        (deployed.live.status, status_pb2),
    )
    asked = 0
    for stub, module in services:
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                request = getattr(module, method.input_type.name)()
                found = await refused(
                    getattr(stub, method.name)(request, metadata=(("x-tenant-id", "acme"),)),
                    grpc.StatusCode.UNAUTHENTICATED,
                    "CREDENTIALS_MISSING",
                )
                assert set(found) == {"ErrorInfo"}
                asked += 1
    assert asked == 18


async def test_health_answers_strangers_and_reflection_is_not_there(deployed: Deployment) -> None:
    health = health_pb2_grpc.HealthStub(deployed.live.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service="scriptgen.llm"))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(deployed.live.channel)
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _drained(stub.ServerReflectionInfo(iter(requests)))
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_reflection_that_was_switched_on_needs_no_credential(tmp_path: Path) -> None:
    async with deployment(tmp_path, GRPC_REFLECTION_ENABLED="true") as deployed:
        stub = reflection_pb2_grpc.ServerReflectionStub(deployed.live.channel)
        requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
        answers = [answer async for answer in stub.ServerReflectionInfo(iter(requests))]
    names = {service.name for service in answers[0].list_services_response.service}
    assert "scriptgen.v1.GenerateService" in names


async def test_the_tenant_is_the_credentials_whatever_the_caller_claims(deployed: Deployment) -> None:
    acme = await deployed.known(deployed.key("acme"))
    rival = await deployed.known(deployed.key("rival"))
    session = await deployed.live.session(metadata=acme)
    claiming = (*rival, ("x-tenant-id", "acme"))
    await refused(deployed.get(session, claiming), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    await refused(deployed.generate(session, claiming), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    listed = await deployed.live.sessions.ListSessions(session_pb2.ListSessionsRequest(), metadata=claiming)
    assert not listed.sessions
    own = await deployed.get(session, (*acme, ("x-tenant-id", "rival")))
    assert own.session.session_id == session


async def test_every_way_to_a_strangers_session_answers_like_an_absent_one(deployed: Deployment) -> None:
    acme = await deployed.known(deployed.key("acme"))
    rival = await deployed.known(deployed.key("rival"))
    session = await deployed.live.session(metadata=acme)
    script = (await deployed.generate(session, acme, request_id="request-01")).result.scripts[0].script_id

    def calls(target: str) -> list[Any]:
        pages, generation, sessions = (
            deployed.live.checkpoints,
            deployed.live.generation,
            deployed.live.sessions,
        )
        return [
            sessions.GetSession(session_pb2.GetSessionRequest(session_id=target), metadata=rival),
            sessions.UpdateSession(
                session_pb2.UpdateSessionRequest(session_id=target, category="食品"), metadata=rival
            ),
            sessions.DeleteSession(session_pb2.DeleteSessionRequest(session_id=target), metadata=rival),
            generation.Generate(
                generate_pb2.GenerateRequest(session_id=target, query=OPENING), metadata=rival
            ),
            generation.Generate(
                generate_pb2.GenerateRequest(session_id=target, query=OPENING, request_id="request-01"),
                metadata=rival,
            ),
            generation.GenerateStream(
                generate_pb2.GenerateStreamRequest(
                    session_id=target, query=OPENING, request_id="request-01", resume_after_sequence=2
                ),
                metadata=rival,
            ),
            generation.RecognizeIntent(
                generate_pb2.RecognizeIntentRequest(session_id=target, query=OPENING), metadata=rival
            ),
            generation.CancelGeneration(
                generate_pb2.CancelGenerationRequest(session_id=target, request_id="request-01"),
                metadata=rival,
            ),
            generation.AdoptScript(
                generate_pb2.AdoptScriptRequest(session_id=target, script_id=script), metadata=rival
            ),
            pages.ListCheckpoints(checkpoint_pb2.ListCheckpointsRequest(session_id=target), metadata=rival),
            pages.GetLatestCheckpoint(
                checkpoint_pb2.GetLatestCheckpointRequest(session_id=target), metadata=rival
            ),
            pages.GetCheckpoint(
                checkpoint_pb2.GetCheckpointRequest(session_id=target, version=1), metadata=rival
            ),
            pages.VerifyCheckpoints(
                checkpoint_pb2.VerifyCheckpointsRequest(session_id=target), metadata=rival
            ),
            pages.ForkSession(
                checkpoint_pb2.ForkSessionRequest(session_id=target, version=1), metadata=rival
            ),
        ]

    there, absent = (
        [await _seen(call) for call in calls(session)],
        [await _seen(call) for call in calls("ses_absent")],
    )
    assert there == absent
    assert {code for code, _, _ in there} == {"NOT_FOUND"}
    kept = (await deployed.get(session, acme)).session
    assert (kept.revision, kept.category, len(kept.turns)) == (2, "美妆", 1)


async def _drained(call: Any) -> None:
    async for _ in call:
        pass


async def _seen(call: Any) -> tuple[str, str | None, frozenset[str]]:
    """All that the answer to a refused call tells."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (_drained(call) if hasattr(call, "__aiter__") else call)
    return caught.value.code().name, caught.value.details(), frozenset(details(caught.value))


async def test_a_users_sessions_are_seen_by_that_user_and_by_admins_only(deployed: Deployment) -> None:
    key = await deployed.known(deployed.key("acme"))
    admin = await deployed.known(deployed.key("acme", role="admin"))
    anna, berta = (*key, ("x-user-id", "anna")), (*key, ("x-user-id", "berta"))
    session = await deployed.live.session(metadata=anna)
    shared = await deployed.live.session(metadata=key)
    await refused(deployed.get(session, berta), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    await refused(deployed.get(session, key), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    assert (await deployed.get(session, admin)).session.user_id == "anna"

    async def listed(metadata: Metadata) -> set[str]:
        request = session_pb2.ListSessionsRequest()
        page = await deployed.live.sessions.ListSessions(request, metadata=metadata)
        return {one.session_id for one in page.sessions}

    assert await listed(anna) == await listed(admin) == {session, shared}
    assert await listed(berta) == await listed(key) == {shared}


async def test_a_token_binds_its_user_and_only_an_admins_speaks_for_others(deployed: Deployment) -> None:
    anna = bearer(user_id="anna")
    session = await deployed.live.session(metadata=anna)
    berta_as_anna = (*bearer(user_id="berta"), ("x-user-id", "anna"))
    await refused(deployed.get(session, berta_as_anna), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
    admin = bearer(user_id="root", role="admin")
    assert (await deployed.get(session, admin)).session.user_id == "anna"
    rival = bearer(user_id="anna", tenant_id="rival")
    await refused(deployed.get(session, rival), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (lambda: bearer(exp=time.time() - 60), "TOKEN_EXPIRED"),
        (lambda: bearer(secret="another secret of more than thirty-two bytes"), "TOKEN_INVALID"),
        (lambda: bearer(secret="", algorithm="none"), "TOKEN_INVALID"),
        (lambda: bearer(secret=SECRET * 2, algorithm="HS512"), "TOKEN_INVALID"),
        (lambda: bearer(tenant_id="acme{x}"), "TOKEN_INVALID"),
        (lambda: bearer(tenant_id=["acme"]), "TOKEN_INVALID"),
        (lambda: (("authorization", "Basic YWNtZTphY21l"),), "TOKEN_INVALID"),
        (lambda: (("authorization", "Bearer " + "a" * 9000),), "TOKEN_INVALID"),
        (lambda: (("x-api-key", "sg_live_000000000000_" + "0" * 64),), "API_KEY_INVALID"),
        (lambda: (("x-api-key", "___"),), "API_KEY_INVALID"),
    ],
)
async def test_a_wrong_credential_is_refused_and_never_ignored(
    deployed: Deployment, metadata: Any, reason: str
) -> None:
    good = await deployed.known(deployed.key("acme"))
    extra = good if "authorization" in dict(metadata()) else ()
    call = deployed.live.status.GetStatus(status_pb2.GetStatusRequest(), metadata=(*metadata(), *extra))
    found = await refused(call, grpc.StatusCode.UNAUTHENTICATED, reason)
    assert set(found) == {"ErrorInfo"}


async def test_a_key_of_another_secret_or_environment_word_is_checked_by_its_secret(
    deployed: Deployment,
) -> None:
    ((name, key),) = await deployed.known(deployed.key("acme"))
    changed = key[:-1] + ("0" if key[-1] != "0" else "1")
    for wrong in (changed, key[:-1], key + "0", key.replace("sg_", "gs_"), key.upper()):
        call = deployed.live.status.GetStatus(status_pb2.GetStatusRequest(), metadata=((name, wrong),))
        await refused(call, grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")


async def test_a_key_made_with_another_pepper_opens_nothing(deployed: Deployment) -> None:
    plaintext, _ = KeyFile(deployed.path, pepper="another pepper").create(tenant="acme")
    await deployed.known(deployed.key("acme"))
    call = deployed.live.status.GetStatus(status_pb2.GetStatusRequest(), metadata=(("x-api-key", plaintext),))
    await refused(call, grpc.StatusCode.UNAUTHENTICATED, "API_KEY_INVALID")


async def test_a_key_revoked_while_the_server_runs_stops_working(deployed: Deployment) -> None:
    plaintext, record = deployed.keys.create(tenant="acme")
    metadata = await deployed.known((("x-api-key", plaintext),))
    started = time.monotonic()
    deployed.keys.revoke(record.key_id)
    await deployed.forgotten(metadata)
    assert time.monotonic() - started < 3
    await refused(
        deployed.live.sessions.ListSessions(session_pb2.ListSessionsRequest(), metadata=metadata),
        grpc.StatusCode.UNAUTHENTICATED,
        "API_KEY_INVALID",
    )


async def test_a_tenant_that_is_switched_off_is_denied_with_key_and_token(deployed: Deployment) -> None:
    metadata = await deployed.known(deployed.key("acme"))
    content = msgspec.json.decode(deployed.path.read_bytes())
    content["tenants"] = {"acme": {"active": False}}
    deployed.path.write_bytes(msgspec.json.encode(content))
    await deployed.forgotten(metadata)
    for one in (metadata, bearer(tenant_id="acme")):
        await refused(
            # Authorised before validated: the request is empty.
            deployed.live.generation.Generate(generate_pb2.GenerateRequest(), metadata=one),
            grpc.StatusCode.PERMISSION_DENIED,
            "TENANT_INACTIVE",
        )
    assert (
        await deployed.live.sessions.ListSessions(
            session_pb2.ListSessionsRequest(), metadata=bearer(tenant_id="other")
        )
    ) is not None


async def test_a_category_that_the_key_may_not_write_for_is_denied_and_the_denial_replayed(
    deployed: Deployment,
) -> None:
    everything = await deployed.known(deployed.key("acme"))
    food = await deployed.known(deployed.key("acme", allowed_categories=("食品",)))
    await refused(
        deployed.live.sessions.CreateSession(
            session_pb2.CreateSessionRequest(category="美妆"), metadata=food
        ),
        grpc.StatusCode.PERMISSION_DENIED,
        "CATEGORY_NOT_ALLOWED",
    )
    session = await deployed.live.session(metadata=everything)
    for _ in range(2):
        await refused(
            deployed.generate(session, food, request_id="denied-0001"),
            grpc.StatusCode.PERMISSION_DENIED,
            "CATEGORY_NOT_ALLOWED",
        )
    records = (
        await deployed.live.checkpoints.ListCheckpoints(
            checkpoint_pb2.ListCheckpointsRequest(session_id=session), metadata=everything
        )
    ).checkpoints
    failed = [one for one in records if one.status == checkpoint_pb2.CHECKPOINT_STATUS_FAILED]
    assert len(failed) == 1, "the second answer came from the record"
    assert not (await deployed.get(session, everything)).session.scripts
    # What the operator types decides too, not only what the session was opened for.
    snack = await deployed.live.session(metadata=food, category="食品", product=None)
    await refused(
        deployed.generate(snack, food, "给口红写一段美妆的开场话术"),
        grpc.StatusCode.PERMISSION_DENIED,
        "CATEGORY_NOT_ALLOWED",
    )


async def test_a_skill_that_the_key_may_not_use_is_denied_and_the_denial_replayed(
    deployed: Deployment,
) -> None:
    key = await deployed.known(deployed.key("acme", allowed_skills=("generate",)))
    session = await deployed.live.session(metadata=key)
    assert (await deployed.generate(session, key)).result.scripts
    for _ in range(2):
        await refused(
            deployed.generate(session, key, "开场、逼单、下播各来一段", request_id="denied-0001"),
            grpc.StatusCode.PERMISSION_DENIED,
            "SKILL_NOT_ALLOWED",
        )
    token = bearer(allowed_skills=["answer"])
    await refused(deployed.generate(session, token), grpc.StatusCode.PERMISSION_DENIED, "SKILL_NOT_ALLOWED")


async def test_a_key_has_its_own_rate(deployed: Deployment) -> None:
    slow = await deployed.known(deployed.key("slow", qps=1.0))
    quick = await deployed.known(deployed.key("quick"))
    session = await deployed.live.session(metadata=slow)
    answers = await asyncio.gather(
        *(deployed.generate(session, slow) for _ in range(12)), return_exceptions=True
    )
    errors = [one for one in answers if isinstance(one, grpc.aio.AioRpcError)]
    assert errors
    for error in errors:
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        found = details(error)
        assert set(found) == {"ErrorInfo", "RetryInfo", "QuotaFailure"}
        info: Any = found["ErrorInfo"]
        assert info.reason == "QPS_LIMIT_EXCEEDED"
        assert 0 < float(info.metadata["retry_after_seconds"]) <= 1
        pushback = dict(error.trailing_metadata() or ())["grpc-retry-pushback-ms"]
        assert 0 < int(pushback) <= 1000
    other = await deployed.live.session(metadata=quick)
    for _ in range(5):
        assert (await deployed.generate(other, quick)).result.scripts


async def test_a_key_has_its_own_tokens_and_its_own_places(tmp_path: Path) -> None:
    async with deployment(tmp_path, TEMPLATE_PACE_SECONDS="0.05") as deployed:
        small = await deployed.known(deployed.key("small", tokens_per_minute=100))
        session = await deployed.live.session(metadata=small)
        await refused(
            deployed.generate(session, small),
            grpc.StatusCode.FAILED_PRECONDITION,
            "REQUEST_EXCEEDS_QUOTA",
        )
        single = await deployed.known(deployed.key("single", concurrent_generations=1))
        one, two = [await deployed.live.session(metadata=single) for _ in range(2)]
        request = generate_pb2.GenerateStreamRequest(session_id=one, query=OPENING)
        stream = deployed.live.generation.GenerateStream(request, metadata=single)
        await stream.read()
        found = await refused(
            deployed.generate(two, single),
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CONCURRENCY_LIMIT_EXCEEDED",
        )
        assert "RetryInfo" in found
        stream.cancel()


async def test_keys_and_texts_stay_out_of_the_log_and_the_status(
    deployed: Deployment, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="scriptgen")
    ((name, key),) = await deployed.known(deployed.key("acme"))
    session = await deployed.live.session(metadata=((name, key),))
    result = (await deployed.generate(session, ((name, key),), "写一段开场话术，提到暗号绿豆汤")).result
    await refused(
        deployed.generate("坏的\n编号", ((name, key),)), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"
    )
    status = await deployed.live.status.GetStatus(status_pb2.GetStatusRequest(), metadata=((name, key),))
    written = "\n".join(
        record.getMessage() + str(record.__dict__.get("fields", "")) for record in caplog.records
    )
    assert written
    for secret in (key, key.rsplit("_", 1)[1], PEPPER, SECRET, "绿豆汤", result.scripts[0].content[:12]):
        assert secret not in written
        assert secret not in str(status)
