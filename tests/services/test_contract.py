"""Every RPC of the contract answers as promised, on every embedded store."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf import field_mask_pb2, json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from scriptgen.v1 import checkpoint_pb2, generate_pb2, session_pb2, status_pb2, types_pb2

from .live import LIPSTICK, XIAOMAN, Live, assert_whole, live, refused, until_idle

USER = (("x-user-id", "anna"),)
OTHER_USER = (("x-user-id", "berta"),)
OTHER_TENANT = (("x-tenant-id", "tenant_other"),)


async def test_a_session_is_created_read_updated_listed_and_deleted(service: Live) -> None:
    session = await service.session()
    read = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert (read.influencer.name, read.product.price, read.revision) == ("林小满", "59.9元", 1)

    update = session_pb2.UpdateSessionRequest(
        session_id=session,
        category="个护",
        product=types_pb2.Product(name="牙膏"),
        update_mask=field_mask_pb2.FieldMask(paths=["product"]),
        expected_revision=1,
    )
    changed = (await service.sessions.UpdateSession(update)).session
    assert (changed.product.name, changed.category, changed.revision) == ("牙膏", "美妆", 2)
    found = await refused(
        service.sessions.UpdateSession(update), grpc.StatusCode.ABORTED, "REVISION_CONFLICT"
    )
    assert "RetryInfo" in found

    listed = await service.sessions.ListSessions(session_pb2.ListSessionsRequest(category="美妆"))
    assert session in [one.session_id for one in listed.sessions]

    await service.sessions.DeleteSession(session_pb2.DeleteSessionRequest(session_id=session))
    gone = session_pb2.DeleteSessionRequest(session_id=session)
    await refused(service.sessions.DeleteSession(gone), grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")


async def test_creating_twice_with_one_request_id_gives_one_session(service: Live) -> None:
    request = session_pb2.CreateSessionRequest(category="食品", request_id="create-0001")
    one = (await service.sessions.CreateSession(request)).session.session_id
    two = (await service.sessions.CreateSession(request)).session.session_id
    assert one == two
    request.category = "图书"
    await refused(
        service.sessions.CreateSession(request), grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED"
    )


async def test_listing_pages_through_all_sessions_newest_first(service: Live) -> None:
    made = [await service.session() for _ in range(7)]
    seen: list[str] = []
    token = ""
    while True:
        page = await service.sessions.ListSessions(
            session_pb2.ListSessionsRequest(page_size=3, page_token=token)
        )
        assert len(page.sessions) <= 3
        seen += [one.session_id for one in page.sessions]
        token = page.next_page_token
        if not token:
            break
    assert seen == made[::-1]
    for bad in (
        session_pb2.ListSessionsRequest(page_size=-1),
        session_pb2.ListSessionsRequest(page_token="nonsense"),
    ):
        await refused(service.sessions.ListSessions(bad), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_another_tenants_and_another_users_session_answer_like_an_absent_one(service: Live) -> None:
    session = await service.session(metadata=USER)
    absent = session_pb2.GetSessionRequest(session_id="ses_absent")
    own = session_pb2.GetSessionRequest(session_id=session)
    await service.sessions.GetSession(own, metadata=USER)
    messages = set()
    for request, metadata in (
        (absent, USER),
        (own, OTHER_USER),
        (own, OTHER_TENANT),
        (own, None),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await service.sessions.GetSession(request, metadata=metadata)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        messages.add(caught.value.details())
    assert len(messages) == 1, "nothing in the answer tells them apart"
    generate = generate_pb2.GenerateRequest(session_id=session, query="写一段开场话术")
    await refused(
        service.generation.Generate(generate, metadata=OTHER_USER),
        grpc.StatusCode.NOT_FOUND,
        "SESSION_NOT_FOUND",
    )
    stream = generate_pb2.GenerateStreamRequest(session_id=session, query="写一段开场话术")
    await refused(
        service.generation.GenerateStream(stream, metadata=OTHER_TENANT),
        grpc.StatusCode.NOT_FOUND,
        "SESSION_NOT_FOUND",
    )
    listed = await service.sessions.ListSessions(session_pb2.ListSessionsRequest(), metadata=OTHER_USER)
    assert not listed.sessions


async def test_a_repeated_request_id_replays_without_a_new_turn(service: Live) -> None:
    session = await service.session()
    first = await service.generate(session, "写一段开场话术", request_id="request-0001")
    second = await service.generate(session, "写一段开场话术", request_id="request-0001")
    assert second.replayed
    assert not first.replayed
    assert second.scripts == first.scripts
    streamed = assert_whole(await service.stream(session, "写一段开场话术", request_id="request-0001"))
    assert streamed.replayed
    assert streamed.scripts == first.scripts
    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert len(stored.turns) == 1
    reused = generate_pb2.GenerateRequest(
        session_id=session, query="写一段下播话术", request_id="request-0001"
    )
    await refused(
        service.generation.Generate(reused), grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED"
    )


async def test_a_finished_stream_is_replayed_from_any_event_on(service: Live) -> None:
    session = await service.session()
    events = await service.stream(session, "写一段开场话术", request_id="stream-0001")
    assert_whole(events)
    for after in range(len(events)):
        rest = await service.stream(
            session, "写一段开场话术", request_id="stream-0001", resume_after_sequence=after
        )
        assert [event.sequence for event in rest] == list(range(after + 1, len(events) + 1))
        rest[-1].result.replayed = False
        assert rest == events[after:]


async def test_two_callers_of_one_request_id_share_one_generation(service: Live) -> None:
    session = await service.session()
    one, two = await asyncio.gather(
        service.generate(session, "写一段开场话术", request_id="shared-0001"),
        service.generate(session, "写一段开场话术", request_id="shared-0001"),
    )
    assert one.scripts == two.scripts
    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert len(stored.turns) == 1


async def test_recognizing_tells_what_a_generation_would_do(service: Live) -> None:
    recognized = await service.generation.RecognizeIntent(
        generate_pb2.RecognizeIntentRequest(query="帮我写一段口红的直播带货开场话术")
    )
    slots = recognized.intent.slots
    assert recognized.intent.type == types_pb2.INTENT_TYPE_SCRIPT_GENERATION
    assert (slots.category, slots.sub_scenario, slots.product_name) == ("美妆", "开场话术", "口红")
    assert not recognized.intent.missing_slots
    history = [generate_pb2.RecognizeIntentTurn(query="写一段口红的开场话术", reply="姐妹们晚上好…")]
    again = await service.generation.RecognizeIntent(
        generate_pb2.RecognizeIntentRequest(
            query="再来一段", context=generate_pb2.RecognizeIntentContext(history=history)
        )
    )
    assert again.intent.continuation
    assert again.intent.refers_to_turn == 0
    bare = await service.generation.RecognizeIntent(generate_pb2.RecognizeIntentRequest(query="写个逼单"))
    assert bare.intent.missing_slots
    assert bare.clarification.question
    session = await service.session()
    both = generate_pb2.RecognizeIntentRequest(
        query="再来一段", session_id=session, context=generate_pb2.RecognizeIntentContext(category="美妆")
    )
    await refused(service.generation.RecognizeIntent(both), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")


async def test_a_review_names_exact_spans_in_code_points(service: Live) -> None:
    text = "😀这支口红是全网最低价，用了三天见效。"
    report = (
        await service.generation.ReviewScript(generate_pb2.ReviewScriptRequest(text=text, category="美妆"))
    ).quality
    assert not report.passed
    assert {issue.type for issue in report.issues} >= {"absolute_claim", "false_promise"}
    for issue in report.issues:
        assert issue.span == text[issue.start : issue.end]
    clean = (
        await service.generation.ReviewScript(generate_pb2.ReviewScriptRequest(text="最近天气冷，记得保暖。"))
    ).quality
    assert clean.passed
    assert not clean.issues


async def test_skills_are_listed_with_their_intents(service: Live) -> None:
    listed = await service.generation.ListSkills(generate_pb2.ListSkillsRequest())
    names = {skill.name for skill in listed.skills}
    assert names >= {"generate", "modify", "optimize", "translate", "batch", "answer"}
    assert all(skill.intents and skill.display_name and skill.description for skill in listed.skills)


async def test_an_adopted_script_is_marked_and_its_words_are_learned(service: Live) -> None:
    session = await service.session()
    script = (await service.generate(session, "写一段开场话术")).scripts[0]
    adopt = generate_pb2.AdoptScriptRequest(
        session_id=session,
        script_id=script.script_id,
        edited_content=script.content + "冲鸭冲鸭！咱们冲鸭冲鸭！",
    )
    assert (await service.generation.AdoptScript(adopt)).script.adopted
    stored = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert [one.adopted for one in stored.scripts] == [True]
    profile = await service.server.app.stores.profiles.get("tenant_dev", "林小满")
    assert profile is not None
    assert profile.samples >= 1
    adopt.script_id = "scr_absent"
    await refused(service.generation.AdoptScript(adopt), grpc.StatusCode.NOT_FOUND, "SCRIPT_NOT_FOUND")


async def test_cancelling_what_does_not_run_says_so(service: Live) -> None:
    session = await service.session()
    unknown = generate_pb2.CancelGenerationRequest(session_id=session, request_id="unknown-0001")
    await refused(
        service.generation.CancelGeneration(unknown), grpc.StatusCode.NOT_FOUND, "REQUEST_NOT_FOUND"
    )
    await service.generate(session, "写一段开场话术", request_id="finished-0001")
    finished = generate_pb2.CancelGenerationRequest(session_id=session, request_id="finished-0001")
    assert not (await service.generation.CancelGeneration(finished)).cancelled


async def test_checkpoints_form_a_verified_chain_with_state(service: Live) -> None:
    session = await service.session()
    await service.generate(session, "写一段开场话术")
    await service.generate(session, "再来一段")
    listed = await service.checkpoints.ListCheckpoints(
        checkpoint_pb2.ListCheckpointsRequest(session_id=session, page_size=4)
    )
    assert [record.version for record in listed.checkpoints] == [6, 5, 4, 3]
    rest = await service.checkpoints.ListCheckpoints(
        checkpoint_pb2.ListCheckpointsRequest(session_id=session, page_token=listed.next_page_token)
    )
    records = [*listed.checkpoints, *rest.checkpoints]
    assert [record.version for record in records] == [6, 5, 4, 3, 2, 1]
    for newer, older in zip(records, records[1:], strict=False):
        assert newer.prev_checksum == older.checksum
    assert not any(record.HasField("state") for record in records)
    latest = await service.checkpoints.GetLatestCheckpoint(
        checkpoint_pb2.GetLatestCheckpointRequest(session_id=session)
    )
    assert latest.checkpoint.version == 6
    state = json_format.MessageToDict(latest.checkpoint.state)
    assert state["result"]["status"] == "COMPLETED"
    one = await service.checkpoints.GetCheckpoint(
        checkpoint_pb2.GetCheckpointRequest(session_id=session, version=2)
    )
    assert one.checkpoint.stage == types_pb2.STAGE_SCRIPT_GENERATING
    verdict = await service.checkpoints.VerifyCheckpoints(
        checkpoint_pb2.VerifyCheckpointsRequest(session_id=session)
    )
    assert (verdict.valid, verdict.checked, verdict.first_bad_version) == (True, 6, 0)
    absent = checkpoint_pb2.GetCheckpointRequest(session_id=session, version=99)
    await refused(
        service.checkpoints.GetCheckpoint(absent), grpc.StatusCode.NOT_FOUND, "CHECKPOINT_NOT_FOUND"
    )


async def test_a_fork_stands_where_its_version_stood_and_goes_its_own_way(service: Live) -> None:
    session = await service.session()
    first = await service.generate(session, "写一段开场话术")
    await service.generate(session, "换成曲奇饼干，写一段逼单话术")
    request = checkpoint_pb2.ForkSessionRequest(
        session_id=session, version=first.checkpoint_version, request_id="fork-00001"
    )
    fork = (await service.checkpoints.ForkSession(request)).session
    assert len(fork.turns) == 1
    assert [script.content for script in fork.scripts] == [first.scripts[0].content]
    assert fork.product.name == "桃桃唇釉"
    assert (await service.checkpoints.ForkSession(request)).session.session_id == fork.session_id
    await service.generate(fork.session_id, "再来一段")
    source = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert len(source.turns) == 2


async def test_all_violations_are_reported_at_once(service: Live) -> None:
    bad = generate_pb2.GenerateRequest(
        query="",
        request_id="short",
        parameters=generate_pb2.GenerationParameters(temperature=9, top_p=0),
    )
    found = await refused(service.generation.Generate(bad), grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    fields = {one.field for one in found["BadRequest"].field_violations}  # type: ignore[attr-defined]
    assert fields == {"session_id", "query", "request_id", "parameters.temperature", "parameters.top_p"}


async def test_status_health_and_reflection_answer(service: Live) -> None:
    status = await service.status.GetStatus(status_pb2.GetStatusRequest())
    names = {part.name for part in status.components}
    assert names >= {"session_store", "checkpoint_store", "session_lock", "rate_limiter", "llm.primary"}
    assert all(part.state == status_pb2.COMPONENT_STATE_OK for part in status.components)
    assert status.version
    health = health_pb2_grpc.HealthStub(service.channel)
    for name in (
        "",
        "scriptgen.v1.SessionService",
        "scriptgen.v1.GenerateService",
        "scriptgen.v1.CheckpointService",
        "scriptgen.v1.StatusService",
        "scriptgen.session_lock",
        "scriptgen.rate_limiter",
        "scriptgen.checkpoint_store",
        "scriptgen.session_store",
        "scriptgen.llm",
    ):
        answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    reflection = reflection_pb2_grpc.ServerReflectionStub(service.channel)
    requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
    answers = [one async for one in reflection.ServerReflectionInfo(iter(requests))]
    services = {one.name for one in answers[0].list_services_response.service}
    assert "scriptgen.v1.GenerateService" in services


async def test_the_trace_id_comes_back_and_is_recorded(service: Live) -> None:
    session = await service.session()
    call = service.generation.Generate(
        generate_pb2.GenerateRequest(session_id=session, query="写一段开场话术"),
        metadata=(("x-trace-id", "trace-of-the-test"),),
    )
    assert dict(await call.initial_metadata())["x-trace-id"] == "trace-of-the-test"
    assert (await call).result.trace_id == "trace-of-the-test"


async def test_a_tenant_beyond_its_rate_is_told_when_to_come_back() -> None:
    async with live(CORE_RATE_QPS_PER_TENANT="2") as service:
        session = await service.session()
        outcomes = await asyncio.gather(
            *(service.generate(session, f"写一段开场话术 {n}") for n in range(6)), return_exceptions=True
        )
        denied = [one for one in outcomes if isinstance(one, grpc.aio.AioRpcError)]
        assert 3 <= len(denied) <= 4
        for error in denied:
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            trailing = dict(error.trailing_metadata() or ())
            assert int(trailing["grpc-retry-pushback-ms"]) > 0
        again = service.generation.Generate(
            generate_pb2.GenerateRequest(session_id=session, query="写一段开场话术")
        )
        found = await refused(again, grpc.StatusCode.RESOURCE_EXHAUSTED, "QPS_LIMIT_EXCEEDED")
        assert set(found) == {"ErrorInfo", "RetryInfo", "QuotaFailure"}
        other = service.generation.RecognizeIntent(
            generate_pb2.RecognizeIntentRequest(query="写一段开场话术"), metadata=OTHER_TENANT
        )
        await other


async def test_a_cancelled_call_leaves_the_session_free_and_a_cancelled_record() -> None:
    async with live(TEMPLATE_PACE_SECONDS="0.2") as service:
        session = await service.session()
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query="写一段产品介绍", request_id="dropped-0001"
        )
        call = service.generation.GenerateStream(request)
        async for event in call:
            if event.HasField("delta"):
                break
        call.cancel()
        await until_idle(service.server)
        latest = await service.checkpoints.GetLatestCheckpoint(
            checkpoint_pb2.GetLatestCheckpointRequest(session_id=session)
        )
        assert latest.checkpoint.status == checkpoint_pb2.CHECKPOINT_STATUS_CANCELLED
        assert latest.checkpoint.request_id == "dropped-0001"
        stored = (
            await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))
        ).session
        assert stored.last_status == types_pb2.GENERATION_STATUS_CANCELLED
        assert not stored.turns


async def test_cancel_generation_ends_the_stream_with_a_cancelled_result() -> None:
    async with live(TEMPLATE_PACE_SECONDS="0.2") as service:
        session = await service.session()
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query="写一段产品介绍", request_id="cancelled-01"
        )
        events = []
        async for event in service.generation.GenerateStream(request):
            events.append(event)
            if event.HasField("delta") and len(events) < 10:
                cancel = generate_pb2.CancelGenerationRequest(session_id=session, request_id="cancelled-01")
                assert (await service.generation.CancelGeneration(cancel)).cancelled
        assert events[-1].result.status == types_pb2.GENERATION_STATUS_CANCELLED
        assert not events[-1].result.scripts
        again = await service.generate(session, "写一段产品介绍", request_id="cancelled-01")
        assert again.status == types_pb2.GENERATION_STATUS_COMPLETED, "a cancelled request may be tried again"


async def test_a_dropped_stream_goes_on_for_whoever_reconnects_within_the_grace() -> None:
    async with live(TEMPLATE_PACE_SECONDS="0.05", STREAM_RECONNECT_GRACE_SECONDS="5") as service:
        session = await service.session()
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query="写一段产品介绍", request_id="resumed-0001"
        )
        call = service.generation.GenerateStream(request)
        seen = []
        async for event in call:
            seen.append(event)
            if event.HasField("delta"):
                break
        call.cancel()
        request.resume_after_sequence = seen[-1].sequence
        rest = [event async for event in service.generation.GenerateStream(request)]
        result = assert_whole([*seen, *rest])
        assert result.status == types_pb2.GENERATION_STATUS_COMPLETED
        assert not result.resumed


async def test_a_cancelled_stream_that_is_asked_for_again_begins_anew_behind_what_was_seen() -> None:
    async with live(TEMPLATE_PACE_SECONDS="0.05") as service:
        session = await service.session()
        request = generate_pb2.GenerateStreamRequest(
            session_id=session, query="写一段产品介绍", request_id="restarted-01"
        )
        call = service.generation.GenerateStream(request)
        seen = []
        async for event in call:
            seen.append(event)
            if event.HasField("delta"):
                break
        call.cancel()
        await until_idle(service.server)
        request.resume_after_sequence = seen[-1].sequence
        rest = [event async for event in service.generation.GenerateStream(request)]
        assert_whole([*seen, *rest])


async def test_an_influencer_is_returned_as_it_was_given(service: Live) -> None:
    session = await service.session()
    read = (await service.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
    assert read.influencer == XIAOMAN
    assert read.product == LIPSTICK
