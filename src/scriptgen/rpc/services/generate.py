"""GenerateService over the wire: convert, call, convert."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import grpc

from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.session import SessionKey
from scriptgen.rpc import incoming, operator_messages, outgoing
from scriptgen.rpc.interceptors.call import Call, current_call
from scriptgen.rpc.interceptors.quota import INTENT_TOKENS
from scriptgen.v1 import generate_pb2 as pb
from scriptgen.v1 import generate_pb2_grpc
from scriptgen.workflow.desk import Desk
from scriptgen.workflow.orchestrator import Orchestrator


class GenerateService(generate_pb2_grpc.GenerateServiceServicer):
    def __init__(self, orchestrator: Orchestrator, desk: Desk) -> None:
        self._orchestrator = orchestrator
        self._desk = desk

    async def Generate(
        self,
        request: pb.GenerateRequest,
        context: grpc.aio.ServicerContext[pb.GenerateRequest, pb.GenerateResponse],
    ) -> pb.GenerateResponse:
        call = current_call()
        result = await self._orchestrator.handle_request(
            _generation(call), call.principal, call.grant, deadline=call.deadline
        )
        return outgoing.generate_response(result)

    async def GenerateStream(
        self,
        request: pb.GenerateStreamRequest,
        context: grpc.aio.ServicerContext[pb.GenerateStreamRequest, pb.GenerateStreamResponse],
    ) -> AsyncIterator[pb.GenerateStreamResponse]:
        call = current_call()
        events = self._orchestrator.handle_stream(
            _generation(call),
            call.principal,
            call.grant,
            resume_after=call.resume_after,
            deadline=call.deadline,
        )
        async with aclosing(events):
            async for event in events:
                yield outgoing.stream_response(event)

    async def RecognizeIntent(
        self,
        request: pb.RecognizeIntentRequest,
        context: grpc.aio.ServicerContext[pb.RecognizeIntentRequest, pb.RecognizeIntentResponse],
    ) -> pb.RecognizeIntentResponse:
        call = current_call()
        recognized = await self._desk.recognize(
            call.principal,
            request.query,
            session_id=request.session_id,
            context=incoming.conversation(request.context),
            deadline=call.deadline,
        )
        if recognized.intent.tier == "llm" and call.grant.quota is not None:
            await call.grant.quota.settle(INTENT_TOKENS)
        return pb.RecognizeIntentResponse(
            intent=outgoing.intent_message(recognized.intent),
            clarification=outgoing.clarification_message(recognized.clarification),
        )

    async def ReviewScript(
        self,
        request: pb.ReviewScriptRequest,
        context: grpc.aio.ServicerContext[pb.ReviewScriptRequest, pb.ReviewScriptResponse],
    ) -> pb.ReviewScriptResponse:
        report = self._desk.review(
            request.text,
            category=request.category,
            product=incoming.product(request.product) if request.HasField("product") else None,
            style=incoming.style(request.style) if request.HasField("style") else None,
        )
        return pb.ReviewScriptResponse(quality=outgoing.report_message(report))

    async def ListSkills(
        self,
        request: pb.ListSkillsRequest,
        context: grpc.aio.ServicerContext[pb.ListSkillsRequest, pb.ListSkillsResponse],
    ) -> pb.ListSkillsResponse:
        return pb.ListSkillsResponse(skills=map(operator_messages.skill_message, self._desk.skills()))

    async def CancelGeneration(
        self,
        request: pb.CancelGenerationRequest,
        context: grpc.aio.ServicerContext[pb.CancelGenerationRequest, pb.CancelGenerationResponse],
    ) -> pb.CancelGenerationResponse:
        principal = current_call().principal
        key = SessionKey(principal.tenant_id, request.session_id)
        cancelled = await self._orchestrator.cancel(key, request.request_id, principal)
        return pb.CancelGenerationResponse(cancelled=cancelled)

    async def AdoptScript(
        self,
        request: pb.AdoptScriptRequest,
        context: grpc.aio.ServicerContext[pb.AdoptScriptRequest, pb.AdoptScriptResponse],
    ) -> pb.AdoptScriptResponse:
        principal = current_call().principal
        key = SessionKey(principal.tenant_id, request.session_id)
        script = await self._desk.adopt(key, principal, request.script_id, request.edited_content)
        return pb.AdoptScriptResponse(script=outgoing.script_message(script))


def _generation(call: Call) -> GenerationRequest:
    assert call.generation is not None, "set by the validation interceptor"
    return call.generation
