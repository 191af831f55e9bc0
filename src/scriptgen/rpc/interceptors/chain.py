"""The chain every RPC passes: its order with reasons, and the one gRPC interceptor that runs it.

One interceptor towards gRPC instead of ten: each wrapping layer of gRPC's own costs 2-4 % of a unary call.
Not responsible for what the links do; each has its own file.
"""

from __future__ import annotations

import asyncio
import inspect
import math
from abc import ABC
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import grpc
from google.protobuf.message import DecodeError

from scriptgen.rpc.validation import undecodable

from .call import Call, Undecodable, enter_call
from .methods import is_open

if TYPE_CHECKING:  # the real classes cannot be subscripted
    Handler = grpc.RpcMethodHandler[Any, Any]
    Context = grpc.aio.ServicerContext[Any, Any]

#: Outermost first, each with the reason for its place. `verify_chain` holds the wiring to it.
ORDER: Final = (
    ("observability", "outermost, so that rejected and failed calls are counted and logged too"),
    ("errors", "inside the counting, around everything else that can fail"),
    ("request_context", "before anything that logs or answers, so that all of it carries the trace id"),
    ("auth", "before validation: strangers learn nothing about what a request should look like"),
    ("validation", "before anything that reads the request or costs quota"),
    ("replay", "before quota and lock: a repeated request costs nothing and waits for nobody"),
    ("head_start", "after replay, and around what it runs alongside of; gives back what was not taken"),
    ("quota", "before the shared places: a tenant beyond its limits must not take one"),
    ("inflight", "before the lock, so that only admitted calls wait for sessions"),
    ("session_lock", "innermost: held only while the work really runs"),
)


#: How long a stream waits for a reader that takes nothing. Flow control stops a stream after some 64 kB, and
#: without this a caller that never reads would keep its place until the connection's age ends it.
READER_SECONDS: Final = 30.0


class ChainOrderError(Exception):
    """The service was wired with another chain than the documented one; it must not start."""


class Interceptor(ABC):
    """One link of the chain."""

    name: ClassVar[str]

    def applies_to(self, method: str) -> bool:
        """Asked once per method, not per call. By default everything but health and reflection."""
        return not is_open(method)

    async def enter(self, call: Call) -> None:  # noqa: B027 (a link may have nothing to do on one way)
        """Before the inner links and the servicer. Setting `call.answer` ends the way inwards and sends the
        answer. A link whose own `enter` raises is not left.
        """

    async def leave(self, call: Call, error: BaseException | None) -> None:  # noqa: B027
        """After the inner links and the servicer, on success (`error` None), error, cancel and deadline. What
        it raises takes the place of `error` for the outer links and the caller.
        """


def verify_chain(names: Sequence[str]) -> None:
    """Raise `ChainOrderError` unless exactly the documented links stand in the documented order."""
    wanted = [name for name, _ in ORDER]
    if list(names) == wanted:
        return
    for place, (name, reason) in enumerate(ORDER):
        if place >= len(names) or names[place] != name:
            found = names[place] if place < len(names) else "nothing"
            raise ChainOrderError(f"interceptor {place + 1} must be {name!r}, not {found!r}: {reason}")
    raise ChainOrderError(f"unknown interceptors: {', '.join(names[len(wanted) :])}")


class ChainInterceptor(grpc.aio.ServerInterceptor):
    """Runs the chain around every method; which links apply is worked out once per method."""

    def __init__(
        self, interceptors: Sequence[Interceptor], *, reader_seconds: float = READER_SECONDS
    ) -> None:
        """Raises `ChainOrderError`."""
        verify_chain([interceptor.name for interceptor in interceptors])
        for link in interceptors:
            kind = type(link)
            if kind.enter is Interceptor.enter and kind.leave is Interceptor.leave:
                raise ChainOrderError(f"interceptor {link.name!r} does nothing on either way")
        self._interceptors = tuple(interceptors)
        self._reader_seconds = reader_seconds
        # Only methods that exist get here, so this is as small as the service.
        self._wrapped: dict[str, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        known = self._wrapped.get(method)
        if known is None or known[0] is not handler:
            links = tuple(link for link in self._interceptors if link.applies_to(method))
            known = self._wrapped[method] = (handler, _wrap(method, handler, links, self._reader_seconds))
        return known[1]


#: (request streaming, response streaming) → the label of the metrics, gRPC's attribute and its maker.
KINDS: Final[dict[tuple[bool, bool], tuple[str, str, Callable[..., Any]]]] = {
    (False, False): ("unary", "unary_unary", grpc.unary_unary_rpc_method_handler),
    (True, False): ("client_stream", "stream_unary", grpc.stream_unary_rpc_method_handler),
    (False, True): ("server_stream", "unary_stream", grpc.unary_stream_rpc_method_handler),
    (True, True): ("bidi_stream", "stream_stream", grpc.stream_stream_rpc_method_handler),
}


def _wrap(method: str, handler: Handler, links: tuple[Interceptor, ...], reader_seconds: float) -> Handler:
    kind, attribute, make = KINDS[bool(handler.request_streaming), bool(handler.response_streaming)]
    inner = getattr(handler, attribute)
    decoded = _each_decoded if handler.request_streaming else _decoded

    def begin(request: Any, context: Context) -> Call:
        now = asyncio.get_running_loop().time()
        remaining = context.time_remaining()
        deadline = None if remaining is None else now + remaining
        call = Call(method, kind, request, context, started_at=now, deadline=deadline)
        enter_call(call)
        return call

    async def answer(request: Any, context: Context) -> Any:
        call = begin(request, context)
        async with _Passage(links, call):
            if call.answer is not None:
                async with aclosing(call.answer) as messages:
                    return await anext(messages)
            return await inner(decoded(request), context)

    async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
        call = begin(request, context)
        reader = _Patience(reader_seconds)
        try:
            async with _Passage(links, call):
                source = inner(decoded(request), context) if call.answer is None else call.answer
                async with aclosing(source) as messages:
                    async for message in messages:
                        call.messages_sent += 1
                        reader.offer()
                        yield message
                        reader.taken()
        finally:
            reader.end()

    # A stream servicer that writes to the context instead of yielding (the health service's Watch) must stay
    # a coroutine function: gRPC tells the two styles apart by inspection.
    behavior = stream if inspect.isasyncgenfunction(inner) else answer
    wrapped: Handler = make(
        behavior,
        request_deserializer=_careful(handler.request_deserializer),
        response_serializer=handler.response_serializer,
    )
    return wrapped


class _Patience:
    """Ends the RPC of the task that made it when its reader takes a message for too long. One timer for the
    whole stream, which looks when it is due whether a message still waits: one for each would cost as much as
    the message.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def offer(self) -> None:
        self._until = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._until, self._due)

    def taken(self) -> None:
        self._until = math.inf

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        assert self._task is not None, "an RPC runs in a task"
        self._timer = None
        if self._loop.time() >= self._until:
            self._task.cancel()
        elif self._until < math.inf:
            self._timer = self._loop.call_at(self._until, self._due)


def _careful(decode: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """Bytes that are no message become a marker, which the validation refuses after it is known who calls.
    Left to gRPC they would be UNKNOWN with a Python class name, and a traceback in the log for each.
    """
    if decode is None:
        return None

    def decode_or_mark(data: bytes) -> Any:
        try:
            return decode(data)
        except DecodeError:
            return Undecodable()

    return decode_or_mark


def _decoded(request: Any) -> Any:
    """For methods without validation (health, reflection); the others never get here with such a request."""
    if isinstance(request, Undecodable):
        raise undecodable()
    return request


async def _each_decoded(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield _decoded(request)


class _Passage:
    """The way of one call inwards and out again: what was entered is left in reverse order, whatever happens.

    An `AsyncExitStack` over generators does the same for ten times the CPU.
    """

    __slots__ = ("_call", "_entered", "_links")

    def __init__(self, links: tuple[Interceptor, ...], call: Call) -> None:
        self._links = links
        self._call = call
        self._entered = 0

    async def __aenter__(self) -> None:
        try:
            for link in self._links:
                await link.enter(self._call)
                self._entered += 1
                if self._call.answer is not None:
                    return
        except BaseException as error:
            await self._leave(error)
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def _leave(self, error: BaseException | None) -> None:
        """Raises what a link put in the place of `error`, not `error` itself."""
        last = error
        for link in reversed(self._links[: self._entered]):
            try:
                await link.leave(self._call, last)
            except BaseException as other:  # noqa: BLE001  - the outer links see it, then it is raised
                last = other
        if last is not None and last is not error:
            raise last
