"""CheckpointService over the wire: convert, call, convert."""

from __future__ import annotations

import grpc

from scriptgen.domain.errors import FieldViolation, InvalidArgumentError
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.rpc import operator_messages, outgoing
from scriptgen.rpc.interceptors.call import current_call
from scriptgen.rpc.paging import page_size, version_of, version_token
from scriptgen.v1 import checkpoint_pb2 as pb
from scriptgen.v1 import checkpoint_pb2_grpc
from scriptgen.workflow.sessions import Sessions


class CheckpointService(checkpoint_pb2_grpc.CheckpointServiceServicer):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def ListCheckpoints(
        self,
        request: pb.ListCheckpointsRequest,
        context: grpc.aio.ServicerContext[pb.ListCheckpointsRequest, pb.ListCheckpointsResponse],
    ) -> pb.ListCheckpointsResponse:
        size = page_size(request.page_size)
        headers = await self._sessions.checkpoints(
            *_subject(request.session_id), page_size=size + 1, before_version=_before(request.page_token)
        )
        page = headers[:size]
        more = len(headers) > size
        return pb.ListCheckpointsResponse(
            checkpoints=[operator_messages.header_message(header, checksum) for header, checksum in page],
            next_page_token=version_token(page[-1][0].version) if more else "",
        )

    async def GetLatestCheckpoint(
        self,
        request: pb.GetLatestCheckpointRequest,
        context: grpc.aio.ServicerContext[pb.GetLatestCheckpointRequest, pb.GetLatestCheckpointResponse],
    ) -> pb.GetLatestCheckpointResponse:
        record = await self._sessions.latest_checkpoint(*_subject(request.session_id))
        return pb.GetLatestCheckpointResponse(checkpoint=operator_messages.checkpoint_message(record))

    async def GetCheckpoint(
        self,
        request: pb.GetCheckpointRequest,
        context: grpc.aio.ServicerContext[pb.GetCheckpointRequest, pb.GetCheckpointResponse],
    ) -> pb.GetCheckpointResponse:
        record = await self._sessions.checkpoint(*_subject(request.session_id), request.version)
        return pb.GetCheckpointResponse(checkpoint=operator_messages.checkpoint_message(record))

    async def VerifyCheckpoints(
        self,
        request: pb.VerifyCheckpointsRequest,
        context: grpc.aio.ServicerContext[pb.VerifyCheckpointsRequest, pb.VerifyCheckpointsResponse],
    ) -> pb.VerifyCheckpointsResponse:
        verdict = await self._sessions.verify(*_subject(request.session_id))
        return pb.VerifyCheckpointsResponse(
            valid=verdict.valid, checked=verdict.checked, first_bad_version=verdict.first_bad_version
        )

    async def ForkSession(
        self,
        request: pb.ForkSessionRequest,
        context: grpc.aio.ServicerContext[pb.ForkSessionRequest, pb.ForkSessionResponse],
    ) -> pb.ForkSessionResponse:
        key, principal = _subject(request.session_id)
        session = await self._sessions.fork(key, principal, request.version, request.request_id)
        return pb.ForkSessionResponse(session=outgoing.session_message(session))


def _subject(session_id: str) -> tuple[SessionKey, Principal]:
    principal = current_call().principal
    return SessionKey(principal.tenant_id, session_id), principal


def _before(token: str) -> int | None:
    try:
        return version_of(token)
    except ValueError:
        raise InvalidArgumentError([FieldViolation("page_token", "not a token of this service")]) from None
