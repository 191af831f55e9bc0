"""Counts and logs every call: method, code, time, sizes; never content.

Not responsible for turning errors into codes: the errors interceptor, just inside, has done that.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, Protocol

import grpc
from google.protobuf.message import Message

from .call import Call
from .chain import Interceptor
from .methods import is_open

logger = logging.getLogger("scriptgen.access")


class RpcRecorder(Protocol):
    """Where numbers go (metrics.RpcMetrics)."""

    def started(self, method: str, kind: str) -> None: ...
    def handled(self, method: str, kind: str, code: str, seconds: float, messages_sent: int) -> None: ...


class ObservabilityInterceptor(Interceptor):
    name: ClassVar[str] = "observability"

    def __init__(self, recorder: RpcRecorder) -> None:
        self._recorder = recorder

    def applies_to(self, method: str) -> bool:  # noqa: ARG002 (everything is counted)
        return True

    async def enter(self, call: Call) -> None:
        self._recorder.started(call.method, call.kind)
        if logger.isEnabledFor(_level(call)):
            # Now: once a client has vanished in the middle of a write, asking gRPC kills the process.
            call.peer = call.context.peer()

    async def leave(self, call: Call, error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            call.code = _ended_early(call)
        elif error is not None and call.code is grpc.StatusCode.OK:
            # Either the errors interceptor or a servicer of gRPC's own (health) has aborted with a code.
            call.code = _sent_code(call)
        seconds = asyncio.get_running_loop().time() - call.started_at
        self._recorder.handled(call.method, call.kind, call.code.name, seconds, call.messages_sent)
        _log(call, seconds)


def _ended_early(call: Call) -> grpc.StatusCode:
    """The task is cancelled both when the client goes and when its deadline passes.

    A client gives up at its own deadline, and its reset may arrive before ours passes: the header carries the
    timeout rounded up by as much as 1 %.
    """
    if call.deadline is None:
        return grpc.StatusCode.CANCELLED
    slack = max(0.05, 0.02 * (call.deadline - call.started_at))
    late = asyncio.get_running_loop().time() >= call.deadline - slack
    return grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED


def _sent_code(call: Call) -> grpc.StatusCode:
    sent: Any = call.context.code()
    number = sent.value[0] if isinstance(sent, grpc.StatusCode) else sent
    return next((code for code in grpc.StatusCode if code.value[0] == number), grpc.StatusCode.UNKNOWN)


def _log(call: Call, seconds: float) -> None:
    level = _level(call)
    if not logger.isEnabledFor(level):
        return
    fields: dict[str, Any] = {
        "method": call.method,
        "code": call.code.name,
        "reason": call.reason,
        "seconds": round(seconds, 6),
        "tenant": call.principal.tenant_id,
        "key": call.principal.key_id,
        "request_id": "" if call.generation is None else call.generation.request_id,
        "request_bytes": call.request.ByteSize() if isinstance(call.request, Message) else 0,
        "messages": call.messages_sent,
        "peer": call.peer,
    }
    logger.log(level, "rpc", extra={"fields": fields})


def _level(call: Call) -> int:
    return logging.DEBUG if is_open(call.method) else logging.INFO
