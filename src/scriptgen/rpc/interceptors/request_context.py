"""Reads the call's metadata and gives the call a trace id: the caller's when it sent one, else a new one."""

from __future__ import annotations

import re
import secrets
from typing import ClassVar

from .call import Call
from .chain import Interceptor

TRACE_HEADER = "x-trace-id"
#: W3C Trace Context, version 00 and later ones that extend it.
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_TRACE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class RequestContextInterceptor(Interceptor):
    name: ClassVar[str] = "request_context"

    async def enter(self, call: Call) -> None:
        call.metadata = {
            key: value for key, value in call.context.invocation_metadata() or () if isinstance(value, str)
        }
        call.trace_id, call.trace_id_given = _trace_id(call)
        await call.context.send_initial_metadata(((TRACE_HEADER, call.trace_id),))


def _trace_id(call: Call) -> tuple[str, bool]:
    """`x-trace-id`, then `traceparent`, then the request's own field, and whether it was meant for this call.
    What is not well-formed is passed over: a broken tracing header must not fail the work.
    """
    chosen = call.metadata.get(TRACE_HEADER, "")
    if _TRACE_ID.fullmatch(chosen):
        return chosen, True
    parent = _TRACEPARENT.fullmatch(call.metadata.get("traceparent", ""))
    if parent:
        return parent[1], False
    field = getattr(call.request, "trace_id", "")
    if _TRACE_ID.fullmatch(field):
        return field, True
    return secrets.token_hex(16), False
