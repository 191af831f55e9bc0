"""A real in-process server with the whole interceptor chain around servicers that a test writes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health, health_pb2_grpc
from grpc_status import rpc_status

from scriptgen.coordination.protocols import LockLease, TenantLimits
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.generation import GenerationRequest, GenerationResult, SequencedEvent
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.metrics import Metrics
from scriptgen.rpc.auth.authenticator import Authenticator
from scriptgen.rpc.interceptors.auth import AuthInterceptor
from scriptgen.rpc.interceptors.call import Call, current_call
from scriptgen.rpc.interceptors.chain import ChainInterceptor, Interceptor
from scriptgen.rpc.interceptors.errors import ErrorsInterceptor
from scriptgen.rpc.interceptors.head_start import HeadStartInterceptor
from scriptgen.rpc.interceptors.inflight import Admission, InflightInterceptor
from scriptgen.rpc.interceptors.observability import ObservabilityInterceptor
from scriptgen.rpc.interceptors.quota import QuotaInterceptor
from scriptgen.rpc.interceptors.replay import ReplayInterceptor
from scriptgen.rpc.interceptors.request_context import RequestContextInterceptor
from scriptgen.rpc.interceptors.session_lock import SessionLockInterceptor
from scriptgen.rpc.interceptors.validation import ValidationInterceptor
from scriptgen.stores.protocols import OpenedSession
from scriptgen.v1 import generate_pb2 as pb
from scriptgen.v1 import generate_pb2_grpc, session_pb2, session_pb2_grpc

DETAILS: dict[str, type[Message]] = {
    name: getattr(error_details_pb2, name)
    for name in ("ErrorInfo", "BadRequest", "RetryInfo", "QuotaFailure")
}


class Trail:
    """What happened in which order, written by the recording lock, limiter and servicers."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._changed = asyncio.Condition()

    async def add(self, step: str) -> None:
        async with self._changed:
            self.steps.append(step)
            self._changed.notify_all()

    async def balanced(self, *pairs: tuple[str, str]) -> None:
        """Wait until each first step happened as often as its second."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(
                lambda: all(self.steps.count(taken) == self.steps.count(given) for taken, given in pairs)
            )

    async def until(self, *steps: str) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: set(steps) <= set(self.steps))


class RecordingLease:
    reserved_tokens = 0

    def __init__(self, trail: Trail, name: str) -> None:
        self._trail = trail
        self._name = name
        self.lost = asyncio.Event()

    async def settle(self, actual_tokens: int | None) -> None:
        await self._trail.add(f"settled {actual_tokens}")

    async def release(self) -> None:
        await self._trail.add(f"released {self._name}")


class RecordingLimiter:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self.asked: list[tuple[str, TenantLimits, int]] = []
        self.refusal: Exception | None = None

    async def start(self) -> None: ...

    async def reserve(self, tenant_id: str, limits: TenantLimits, *, tokens: int) -> RecordingLease:
        self.asked.append((tenant_id, limits, tokens))
        if self.refusal is not None:
            raise self.refusal
        await self._trail.add("reserved")
        return RecordingLease(self._trail, tenant_id)

    async def status(self) -> ComponentStatus:
        return ComponentStatus("rate_limiter", ComponentState.OK, "recording")

    async def close(self) -> None: ...


class RecordingLock:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self.asked: list[tuple[SessionKey, float]] = []
        self.refusal: Exception | None = None

    async def start(self) -> None: ...

    async def acquire(self, key: SessionKey, *, timeout: float) -> RecordingLease:
        self.asked.append((key, timeout))
        if self.refusal is not None:
            raise self.refusal
        await self._trail.add("locked")
        return RecordingLease(self._trail, key.session_id)

    async def status(self) -> ComponentStatus:
        return ComponentStatus("session_lock", ComponentState.OK, "recording")

    async def close(self) -> None: ...


class RecordingEagerLock(RecordingLock):
    """Also answers attempts: `free` tells whether they win."""

    def __init__(self, trail: Trail) -> None:
        super().__init__(trail)
        self.free = True
        self.attempts: list[SessionKey] = []
        self.abandoned: list[asyncio.Task[LockLease | None]] = []

    def attempt(self, key: SessionKey) -> asyncio.Task[LockLease | None]:
        self.attempts.append(key)
        return asyncio.create_task(self._attempt(key))

    def abandon(self, attempt: asyncio.Task[LockLease | None]) -> None:
        self.abandoned.append(attempt)

    async def _attempt(self, key: SessionKey) -> LockLease | None:
        if not self.free:
            return None
        await self._trail.add("won")
        return RecordingLease(self._trail, key.session_id)


class KnownRequests:
    """A replayer that knows what the test puts in."""

    def __init__(self) -> None:
        self.events: dict[str, Sequence[SequencedEvent]] = {}
        self.asked: list[tuple[GenerationRequest, Principal, int]] = []
        self.closed = 0
        # Kept, so that a generator which nobody closes is not closed by the garbage collector.
        self._replays: list[AsyncGenerator[SequencedEvent, None]] = []

    async def find(
        self,
        request: GenerationRequest,
        principal: Principal,
        *,
        resume_after: int,
        deadline: float | None = None,
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        self.asked.append((request, principal, resume_after))
        events = self.events.get(request.request_id)
        if events is None:
            return None
        self._replays.append(self._replay(events, resume_after))
        return self._replays[-1]

    async def _replay(
        self, events: Sequence[SequencedEvent], resume_after: int
    ) -> AsyncGenerator[SequencedEvent, None]:
        try:
            for event in events[resume_after:]:
                yield event
        finally:
            self.closed += 1


async def answer_with_tenant(request: Any, call: Call) -> pb.GenerateResponse:
    return pb.GenerateResponse(
        result=pb.GenerationResult(session_id=call.principal.tenant_id, reply=call.principal.user_id)
    )


async def three_events(request: Any, call: Call) -> AsyncIterator[pb.GenerateStreamResponse]:
    for sequence in (1, 2, 3):
        yield pb.GenerateStreamResponse(sequence=sequence)


class EdgeServer:
    """`generate` and `stream` are the servicers; everything around them is the real chain."""

    def __init__(
        self,
        *,
        generate: Callable[[Any, Call], Awaitable[pb.GenerateResponse]] = answer_with_tenant,
        stream: Callable[[Any, Call], AsyncIterator[pb.GenerateStreamResponse]] = three_events,
        authenticator: Authenticator | None = None,
        max_inflight: int = 8,
        lock_timeout: float = 8.0,
        rearrange: Callable[[list[Interceptor]], None] = lambda _: None,
        read: Callable[[GenerationRequest, Principal], Awaitable[OpenedSession]] | None = None,
    ) -> None:
        """`read` given: sessions are asked for early."""
        self.trail = Trail()
        self.limiter = RecordingLimiter(self.trail)
        self.lock = RecordingEagerLock(self.trail)
        self.known = KnownRequests()
        self.admission = Admission(max_inflight)
        self.metrics = Metrics()
        self.port = 0
        self.links: list[Interceptor] = [
            ObservabilityInterceptor(self.metrics.rpc),
            ErrorsInterceptor(),
            RequestContextInterceptor(),
            AuthInterceptor(authenticator or Authenticator(anonymous_allowed=True)),
            ValidationInterceptor(domain_request),
            ReplayInterceptor(self.known, unary_message=unary_message, stream_message=stream_message),
            HeadStartInterceptor(self.lock if read else None, read or nothing_read),
            QuotaInterceptor(self.limiter, TenantLimits(8, 20000, 16), lambda request: len(request.query)),
            InflightInterceptor(self.admission),
            SessionLockInterceptor(self.lock, lock_timeout),
        ]
        rearrange(self.links)
        self._generate = generate
        self._stream = stream

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server(
            interceptors=[ChainInterceptor(self.links)], options=[("grpc.so_reuseport", 0)]
        )
        generate_pb2_grpc.add_GenerateServiceServicer_to_server(
            _Generate(self._generate, self._stream), self._server
        )
        session_pb2_grpc.add_SessionServiceServicer_to_server(_Sessions(), self._server)
        health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}")
        self.generating = generate_pb2_grpc.GenerateServiceStub(self.channel)
        self.sessions = session_pb2_grpc.SessionServiceStub(self.channel)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.channel.close()
        # With a grace, so that what follows a sent answer (counting) has happened afterwards.
        await self._server.stop(5)


async def _not_here(self: Any, request: Any, context: Any) -> Any:
    raise AssertionError("no test calls this")


class _Generate(generate_pb2_grpc.GenerateServiceServicer):
    ReviewScript = ListSkills = CancelGeneration = AdoptScript = _not_here

    def __init__(self, generate: Any, stream: Any) -> None:
        self._generate = generate
        self._stream = stream

    async def Generate(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._generate(request, current_call())

    async def GenerateStream(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with aclosing(self._stream(request, current_call())) as messages:
            async for message in messages:
                yield message

    async def RecognizeIntent(self, request: Any, context: Any) -> Any:  # noqa: N802
        return pb.RecognizeIntentResponse()


class _Sessions(session_pb2_grpc.SessionServiceServicer):
    CreateSession = ListSessions = DeleteSession = _not_here

    async def GetSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        return session_pb2.GetSessionResponse()

    async def UpdateSession(self, request: Any, context: Any) -> Any:  # noqa: N802
        return session_pb2.UpdateSessionResponse()


async def nothing_read(request: GenerationRequest, principal: Principal) -> OpenedSession:
    raise AssertionError("nobody asks for a session early")


def domain_request(call: Call) -> GenerationRequest:
    return GenerationRequest(
        key=SessionKey(call.principal.tenant_id, call.request.session_id),
        user_id=call.principal.user_id,
        query=call.request.query,
        request_id=call.request.request_id,
        trace_id=call.trace_id,
    )


def unary_message(result: GenerationResult) -> pb.GenerateResponse:
    return pb.GenerateResponse(result=pb.GenerationResult(reply=result.reply, replayed=True))


def stream_message(event: SequencedEvent) -> pb.GenerateStreamResponse:
    return pb.GenerateStreamResponse(sequence=event.sequence)


def request(**fields: Any) -> pb.GenerateRequest:
    return pb.GenerateRequest(**{"session_id": "s1", "query": "写一段开场话术", **fields})


def stream_request(**fields: Any) -> pb.GenerateStreamRequest:
    return pb.GenerateStreamRequest(**{"session_id": "s1", "query": "写一段开场话术", **fields})


class Refusal:
    """A failed call, unpacked: code, text, details by type name (each at most once), trailing metadata."""

    def __init__(self, error: grpc.aio.AioRpcError) -> None:
        status = rpc_status.from_call(error)
        assert status is not None, f"no google.rpc.Status: {error}"
        self.code = error.code()
        self.text = status.message
        assert status.message == error.details()
        self.details: dict[str, Any] = {}
        for packed in status.details:
            name = packed.TypeName().removeprefix("google.rpc.")
            assert name not in self.details, "a detail type appears twice"
            detail = DETAILS[name]()
            assert packed.Unpack(detail)
            self.details[name] = detail
        info = self.details["ErrorInfo"]
        assert info.domain == "scriptgen"
        self.reason: str = info.reason
        self.metadata: dict[str, str] = dict(info.metadata)
        self.trailing = dict(error.trailing_metadata() or ())


async def refused(call: Awaitable[Any]) -> Refusal:
    """Await a call that must fail."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return Refusal(error)
    raise AssertionError(f"the call was answered: {answer}")


async def refused_stream(call: Any, received: list[int] | None = None) -> Refusal:
    """Read a stream that must fail; the sequences that came before go to `received`."""

    async def drain() -> None:
        async for message in call:
            if received is not None:
                received.append(message.sequence)

    return await refused(drain())
