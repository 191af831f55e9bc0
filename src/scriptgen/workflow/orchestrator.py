"""The two ways into the workflow, and everything about generations that are running: joining, replaying,
cancelling, draining. Owns every generation task and awaits it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Protocol

import msgspec
from msgspec.structs import replace

from scriptgen.domain.errors import DrainingError, NotFoundError
from scriptgen.domain.generation import GenerationRequest, GenerationResult, SequencedEvent
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.stores.protocols import EventRelay

from .channel import EventChannel
from .engine import Engine, fingerprint_of
from .generation import CancelCause, Generation
from .grant import Grant
from .journal import now_us
from .relay import Follower, Publication
from .remote_cancel import cancelled_elsewhere
from .replay import replay_into, reused_request_id, stored_answer
from .retained import RetainedStreams, RunKey

logger = logging.getLogger(__name__)


class StreamLimits(msgspec.Struct, frozen=True):
    """`reconnect_grace_seconds`: how long a generation runs on when nobody listens, 0: not at all."""

    flush_seconds: float
    max_events: int
    reconnect_grace_seconds: float
    retain_seconds: float


class CancelSignals(Protocol):
    """Tells every instance that a generation shall end (coordination/cancel_bus.py)."""

    async def publish(self, key: SessionKey, request_id: str) -> None: ...
    def listen(self, callback: Callable[[SessionKey, str], None]) -> None: ...


class Orchestrator:
    """One per process. All methods run on one event loop."""

    def __init__(
        self, engine: Engine, bus: CancelSignals, limits: StreamLimits, relay: EventRelay | None = None
    ) -> None:
        """`relay` carries streams that may be resumed to other instances; None: there are none."""
        self._engine = engine
        self._bus = bus
        self._limits = limits
        self._relay = relay
        self._follower = Follower(relay) if relay is not None else None
        self._publishers: set[asyncio.Task[None]] = set()
        self._running: dict[RunKey, Generation] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._retained = RetainedStreams(limits.retain_seconds)
        self._closing = False
        bus.listen(self._on_cancel)

    @property
    def engine_name(self) -> str:
        return self._engine.runner.engine

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def publishing(self) -> int:
        """Streams of which other instances have not been told all."""
        return len(self._publishers)

    async def handle_request(
        self, request: GenerationRequest, principal: Principal, grant: Grant, *, deadline: float | None
    ) -> GenerationResult:
        """Run, join or replay; the whole result. `deadline` is on the event loop's clock."""
        generation = self._begin(request, principal, grant, resume_after=0, deadline=deadline, retain=False)
        generation.audience.join()
        try:
            return await generation.channel.outcome()
        finally:
            generation.audience.leave(self._limits.reconnect_grace_seconds)

    async def handle_stream(
        self,
        request: GenerationRequest,
        principal: Principal,
        grant: Grant,
        *,
        resume_after: int,
        deadline: float | None,
    ) -> AsyncGenerator[SequencedEvent, None]:
        """Run, join or replay; events after `resume_after`, ending with the result."""
        generation = self._begin(
            request, principal, grant, resume_after=resume_after, deadline=deadline, retain=True
        )
        async with aclosing(self._listen(generation, resume_after)) as events:
            async for event in events:
                yield event

    async def find(
        self,
        request: GenerationRequest,
        principal: Principal,
        *,
        resume_after: int,
        deadline: float | None = None,
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """The events of a request that is running or finished, here or elsewhere; None when it has to run.
        What runs here goes on until `deadline`, on the event loop's clock, if that is later than its own.

        Costs no quota and waits for no lock. Raises `FailedPreconditionError` for a reused id.
        """
        if not request.deduplicate:
            return None
        generation = self._known(_run_key(request.key, request.request_id))
        if generation is not None:
            await self._engine.sessions.visible(request.key, principal)
            if generation.fingerprint != fingerprint_of(request):
                raise reused_request_id()
            # Who has seen a finished stream whole asks for the end again; that is the record's to tell.
            if not generation.channel.closed or resume_after < generation.channel.last_sequence:
                self._engine.workshop.observer.replay()
                generation.allow(deadline)
                return self._listen(generation, resume_after, replayed=generation.channel.closed)
        found = await self._engine.checkpoints.find_request(request.key, request.request_id)
        if found is None:
            return None
        await self._engine.sessions.visible(request.key, principal)
        answer = stored_answer(found, fingerprint_of(request), self._engine.dedup_ttl_seconds, now_us())
        ended = found.header.status.terminal
        # A finished request is answered from its record, unless its caller has seen a part: then only the
        # very same events do. What ended without an answer is written anew, whatever the relay still holds.
        follow = (answer is not None and resume_after > 0) if ended else True
        relayed = await self._relayed(request, resume_after, finished=ended) if follow else None
        if relayed is not None:
            self._engine.workshop.observer.replay()
            return relayed
        if answer is None:
            return None
        self._engine.workshop.observer.replay()
        channel = self._channel(resume_after)
        replay_into(channel, answer, resume_after)
        return channel.subscribe(resume_after)

    async def cancel(self, key: SessionKey, request_id: str, principal: Principal) -> bool:
        """End a running generation, wherever it runs; False when it had ended already."""
        await self._engine.sessions.visible(key, principal)
        generation = self._running.get(_run_key(key, request_id))
        if generation is not None and not generation.channel.closed:
            generation.cancel(CancelCause.REQUESTED)
            await generation.ended()
            result = generation.channel.result
            return result is not None and result.status is GenerationStatus.CANCELLED
        found = await self._engine.checkpoints.find_request(key, request_id)
        if found is None:
            raise NotFoundError("There is no such generation.", reason="REQUEST_NOT_FOUND")
        if found.header.status.terminal:
            return False
        await self._bus.publish(key, request_id)
        return await cancelled_elsewhere(self._engine, key, request_id, principal)

    async def close(self, grace_seconds: float) -> None:
        """Take nothing new, let what runs end within the grace, stop the rest where it can be resumed."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=max(grace_seconds, 0.0))
        for generation in list(self._running.values()):
            generation.cancel(CancelCause.SHUTDOWN)
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._publishers:  # each ends by itself once its channel has closed
            await asyncio.wait(self._publishers)

    def _begin(
        self,
        request: GenerationRequest,
        principal: Principal,
        grant: Grant,
        *,
        resume_after: int,
        deadline: float | None,
        retain: bool,
    ) -> Generation:
        if self._closing:
            raise DrainingError("The service is shutting down.", retry_after=1.0)
        key = _run_key(request.key, request.request_id)
        running = self._running.get(key)
        if running is not None and running.joinable:
            if running.fingerprint != fingerprint_of(request):
                raise reused_request_id()
            running.allow(deadline)
            return running
        generation = Generation(
            self._engine,
            request,
            principal,
            grant,
            self._channel(resume_after),
            resume_after=resume_after,
            deadline=deadline,
            on_accept=self._publish if retain and request.explicit_id else None,
        )
        self._running[key] = generation

        def ended() -> None:
            self._tasks.discard(task)
            if self._running.get(key) is generation:
                del self._running[key]

        task = generation.start(ended)
        self._tasks.add(task)
        if retain and request.explicit_id:
            self._retained.keep(key, generation)
        return generation

    async def _listen(
        self, generation: Generation, resume_after: int, *, replayed: bool = False
    ) -> AsyncGenerator[SequencedEvent, None]:
        audience = generation.audience
        audience.join()
        try:
            async with aclosing(audience.events(resume_after)) as events:
                async for event in events:
                    if replayed and isinstance(event.event, GenerationResult):
                        yield SequencedEvent(event.sequence, replace(event.event, replayed=True))
                    else:
                        yield event
        finally:
            audience.leave(self._limits.reconnect_grace_seconds)

    def _publish(self, generation: Generation, run: int) -> None:
        """Let other instances follow; a task of its own, so that the generation never waits for it."""
        if self._relay is None:
            return
        request = generation.request
        publication = Publication(
            self._relay, request.key, request.request_id, run=run, fingerprint=generation.fingerprint
        )
        task = asyncio.create_task(
            publication.keep(generation.audience, self._limits.reconnect_grace_seconds)
        )
        self._publishers.add(task)
        task.add_done_callback(self._published)

    def _published(self, task: asyncio.Task[None]) -> None:
        self._publishers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a generation was not published to the end", exc_info=error)

    async def _relayed(
        self, request: GenerationRequest, resume_after: int, *, finished: bool
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """What another instance sends or has sent."""
        if self._follower is None:
            return None
        return await self._follower.find(
            request.key, request.request_id, fingerprint_of(request), resume_after, finished=finished
        )

    def _channel(self, resume_after: int) -> EventChannel:
        return EventChannel(
            flush_seconds=self._limits.flush_seconds,
            max_events=self._limits.max_events,
            first_sequence=resume_after + 1,
        )

    def _known(self, key: RunKey) -> Generation | None:
        """Running here, or ended with a result not long ago and still kept with its exact events."""
        running = self._running.get(key)
        return running if running is not None and running.joinable else self._retained.get(key)

    def _on_cancel(self, key: SessionKey, request_id: str) -> None:
        generation = self._running.get(_run_key(key, request_id))
        if generation is not None:
            generation.cancel(CancelCause.REQUESTED)


def _run_key(key: SessionKey, request_id: str) -> RunKey:
    return (key.tenant_id, key.session_id, request_id)
