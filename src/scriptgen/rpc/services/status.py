"""StatusService over the wire: convert, call, convert."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import grpc

from scriptgen.domain.component import ComponentStatus
from scriptgen.rpc import operator_messages, outgoing
from scriptgen.v1 import status_pb2 as pb
from scriptgen.v1 import status_pb2_grpc


class StatusService(status_pb2_grpc.StatusServiceServicer):
    """`components` asks every part of the service how it is, within its own time bound."""

    def __init__(
        self, *, version: str, engine: str, components: Callable[[], Awaitable[Sequence[ComponentStatus]]]
    ) -> None:
        self._version = version
        self._engine = engine
        self._components = components
        self._started = time.monotonic()

    async def GetStatus(
        self,
        request: pb.GetStatusRequest,
        context: grpc.aio.ServicerContext[pb.GetStatusRequest, pb.GetStatusResponse],
    ) -> pb.GetStatusResponse:
        components = await self._components()
        return pb.GetStatusResponse(
            version=self._version,
            uptime=outgoing.duration(time.monotonic() - self._started),
            engine=self._engine,
            components=map(operator_messages.component_message, components),
        )
