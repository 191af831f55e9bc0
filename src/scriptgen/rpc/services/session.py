"""SessionService over the wire: convert, call, convert."""

from __future__ import annotations

import grpc

from scriptgen.domain.session import SessionKey
from scriptgen.rpc import incoming, outgoing
from scriptgen.rpc.interceptors.call import current_call
from scriptgen.rpc.paging import page_size
from scriptgen.v1 import session_pb2 as pb
from scriptgen.v1 import session_pb2_grpc
from scriptgen.workflow.sessions import SessionChange, Sessions

_FIELDS = ("influencer", "category", "product")


class SessionService(session_pb2_grpc.SessionServiceServicer):
    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def CreateSession(
        self,
        request: pb.CreateSessionRequest,
        context: grpc.aio.ServicerContext[pb.CreateSessionRequest, pb.CreateSessionResponse],
    ) -> pb.CreateSessionResponse:
        session = await self._sessions.create(
            current_call().principal,
            influencer=incoming.influencer(request.influencer),
            category=request.category,
            product=incoming.product(request.product),
            request_id=request.request_id,
        )
        return pb.CreateSessionResponse(session=outgoing.session_message(session))

    async def GetSession(
        self,
        request: pb.GetSessionRequest,
        context: grpc.aio.ServicerContext[pb.GetSessionRequest, pb.GetSessionResponse],
    ) -> pb.GetSessionResponse:
        principal = current_call().principal
        session = await self._sessions.get(SessionKey(principal.tenant_id, request.session_id), principal)
        return pb.GetSessionResponse(session=outgoing.session_message(session))

    async def ListSessions(
        self,
        request: pb.ListSessionsRequest,
        context: grpc.aio.ServicerContext[pb.ListSessionsRequest, pb.ListSessionsResponse],
    ) -> pb.ListSessionsResponse:
        page = await self._sessions.list(
            current_call().principal,
            category=request.category,
            influencer_name=request.influencer_name,
            page_size=page_size(request.page_size),
            cursor=request.page_token,
        )
        return pb.ListSessionsResponse(
            sessions=map(outgoing.head_message, page.heads), next_page_token=page.next_cursor
        )

    async def UpdateSession(
        self,
        request: pb.UpdateSessionRequest,
        context: grpc.aio.ServicerContext[pb.UpdateSessionRequest, pb.UpdateSessionResponse],
    ) -> pb.UpdateSessionResponse:
        principal = current_call().principal
        head = await self._sessions.update(
            SessionKey(principal.tenant_id, request.session_id),
            principal,
            _change(request),
            request.expected_revision,
        )
        return pb.UpdateSessionResponse(session=outgoing.head_message(head))

    async def DeleteSession(
        self,
        request: pb.DeleteSessionRequest,
        context: grpc.aio.ServicerContext[pb.DeleteSessionRequest, pb.DeleteSessionResponse],
    ) -> pb.DeleteSessionResponse:
        principal = current_call().principal
        await self._sessions.delete(SessionKey(principal.tenant_id, request.session_id), principal)
        return pb.DeleteSessionResponse()


def _change(request: pb.UpdateSessionRequest) -> SessionChange:
    """What the mask names; without a mask (AIP-134) whatever is set."""
    paths = set(request.update_mask.paths)
    if "*" in paths:
        paths = set(_FIELDS)
    elif not paths:
        paths = {name for name in ("influencer", "product") if request.HasField(name)}
        paths |= {"category"} if request.category else set()
    return SessionChange(
        influencer=incoming.influencer(request.influencer) if "influencer" in paths else None,
        category=request.category if "category" in paths else None,
        product=incoming.product(request.product) if "product" in paths else None,
    )
