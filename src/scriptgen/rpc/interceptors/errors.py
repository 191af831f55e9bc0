"""Turns domain errors into their statuses and everything unexpected into INTERNAL with a trace id.

The one place that catches `Exception`. Not responsible for the mapping itself: `rpc.status` is.
"""

from __future__ import annotations

import asyncio
import logging
from typing import ClassVar

import grpc

from scriptgen.domain.errors import ScriptgenError
from scriptgen.rpc.status import internal_status, to_status

from .call import Call
from .chain import Interceptor

logger = logging.getLogger("scriptgen.errors")


class ErrorsInterceptor(Interceptor):
    name: ClassVar[str] = "errors"

    def applies_to(self, method: str) -> bool:  # noqa: ARG002 (health and reflection can fail too)
        return True

    async def leave(self, call: Call, error: BaseException | None) -> None:
        match error:
            case None | grpc.aio.AbortError() | asyncio.CancelledError():
                return  # answered already; or cancelled by client or deadline, when nobody is left to answer
            case ScriptgenError():
                status = to_status(error)
                call.code, call.reason = status.code, error.reason
                await call.context.abort_with_status(status)
            case Exception() if call.context.cancelled():
                # Once the client is gone the transport fails under our hands: its cancel, not a fault.
                call.code = grpc.StatusCode.CANCELLED
            case Exception():
                call.code = grpc.StatusCode.INTERNAL
                logger.error("unexpected error", exc_info=error, extra={"fields": {"method": call.method}})
                await call.context.abort_with_status(internal_status(call.trace_id))
