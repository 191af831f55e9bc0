"""Turns domain errors into their statuses and everything unexpected into INTERNAL with a trace id.

The one place that catches `Exception`. Not responsible for the mapping itself: `rpc.status` is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        try:
            yield
        except (grpc.aio.AbortError, asyncio.CancelledError):
            # Already answered; or cancelled by client or deadline, when nobody is left to answer.
            raise
        except ScriptgenError as error:
            status = to_status(error)
            call.code, call.reason = status.code, error.reason
            await call.context.abort_with_status(status)
        except Exception:
            if call.context.cancelled():
                # Once the client is gone the transport fails under our hands: its cancel, not a fault.
                call.code = grpc.StatusCode.CANCELLED
                raise
            call.code = grpc.StatusCode.INTERNAL
            logger.exception("unexpected error", extra={"fields": {"method": call.method}})
            await call.context.abort_with_status(internal_status(call.trace_id))
