"""One running RPC as the interceptors and servicers share it. Holds facts; decides nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc

from scriptgen.domain.generation import GenerationRequest, SequencedEvent
from scriptgen.domain.identity import Principal
from scriptgen.workflow.grant import Grant

if TYPE_CHECKING:  # it imports this module
    from .head_start import HeadStart

NOBODY = Principal(tenant_id="")


class Undecodable:
    """Stands for a request whose bytes are no message of the method's type, such as invalid UTF-8."""


@dataclass(slots=True)
class Call:
    """Filled from the outside in: each interceptor adds what it found out.

    `kind` is unary, client_stream, server_stream or bidi_stream; `request` is the message (`Undecodable` when
    there is none in the bytes), or the request iterator of a client-streaming method. `deadline` and
    `started_at` are on the event loop's clock, in seconds. `trace_id_given` tells that the caller chose the
    trace id for this very call (`x-trace-id` or the request's field; a `traceparent` spans many). `answer`,
    once set, is sent instead of running the servicer: one message for a unary method; `replayed` are the
    events it is made of. `code` and `reason` are what the caller was told.
    """

    method: str
    kind: str
    request: Any
    context: grpc.aio.ServicerContext[Any, Any]
    started_at: float
    deadline: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    peer: str = ""
    trace_id: str = ""
    trace_id_given: bool = False
    principal: Principal = NOBODY
    generation: GenerationRequest | None = None
    resume_after: int = 0
    grant: Grant = field(default_factory=Grant)
    head_start: HeadStart | None = None
    answer: AsyncGenerator[Any, None] | None = None
    replayed: AsyncGenerator[SequencedEvent, None] | None = None
    code: grpc.StatusCode = grpc.StatusCode.OK
    reason: str = ""
    messages_sent: int = 0

    def remaining(self) -> float | None:
        """Seconds until the deadline, never negative; None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - asyncio.get_running_loop().time())


_CURRENT: ContextVar[Call | None] = ContextVar("scriptgen_call", default=None)


def current_call() -> Call:
    """The RPC this code runs for; also in tasks it started. Raises LookupError outside of one."""
    call = _CURRENT.get()
    if call is None:
        raise LookupError("not inside an RPC that passed the interceptor chain")
    return call


def current_trace_id() -> str:
    """The running RPC's trace id, "" outside of one: for log lines."""
    call = _CURRENT.get()
    return "" if call is None else call.trace_id


def enter_call(call: Call) -> None:
    """Make `call` current. Never reset: gRPC runs each RPC in its own task, and a cancelled stream may be
    closed from another one, where a token would not fit.
    """
    _CURRENT.set(call)
