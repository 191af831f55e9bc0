"""The two ways into the workflow, and everything about generations that are running: joining, replaying,
cancelling, draining. Owns every generation task and awaits it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointRecord, CheckpointStatus
from scriptgen.domain.errors import DrainingError, LeaseLostError, NotFoundError
from scriptgen.domain.generation import GenerationRequest, GenerationResult, SequencedEvent
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.stores.protocols import EventRelay

from .channel import EventChannel
from .generation import CancelCause, Engine, Generation, fingerprint_of
from .grant import Grant
from .journal import Journal, now_us
from .relay import Follower, Publication
from .replay import replay_into, reused_request_id, stored_answer
from .state import decode, evolved

logger = logging.getLogger(__name__)

#: How long CancelGeneration waits for the instance that runs the generation before it decides alone.
_REMOTE_CANCEL_SECONDS: Final = 1.0
_REMOTE_POLL_SECONDS: Final = 0.1
_RETAINED_CHANNELS: Final = 256


class StreamLimits(msgspec.Struct, frozen=True):
    """`reconnect_grace_seconds`: how long a generation runs on when nobody listens, 0: not at all."""

    flush_seconds: float
    max_events: int
    reconnect_grace_seconds: float
    retain_seconds: float


RunKey = tuple[str, str, str]


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
        self._retained: OrderedDict[RunKey, tuple[float, Generation]] = OrderedDict()
        self._closing = False
        bus.listen(self._on_cancel)

    @property
    def engine_name(self) -> str:
        return self._engine.runner.engine

    @property
    def running(self) -> int:
        return len(self._tasks)

    async def handle_request(
        self, request: GenerationRequest, principal: Principal, grant: Grant, *, deadline: float | None
    ) -> GenerationResult:
        """Run, join or replay; the whole result. `deadline` is on the event loop's clock."""
        generation = self._begin(request, principal, grant, resume_after=0, deadline=deadline, retain=False)
        generation.join()
        try:
            return await generation.channel.outcome()
        finally:
            generation.leave(self._limits.reconnect_grace_seconds)

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
        self, request: GenerationRequest, principal: Principal, *, resume_after: int
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """The events of a request that is running or finished, here or elsewhere; None when it has to run.

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
                return self._listen(generation, resume_after, replayed=generation.channel.closed)
        found = await self._engine.checkpoints.find_request(request.key, request.request_id)
        if found is None:
            return None
        await self._engine.sessions.visible(request.key, principal)
        answer = stored_answer(found, fingerprint_of(request), self._engine.dedup_ttl_seconds, now_us())
        relayed = await self._relayed(request, found, resume_after)
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
        return await self._cancelled_elsewhere(key, request_id, principal)

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
            self._retain(key, generation)
        return generation

    async def _listen(
        self, generation: Generation, resume_after: int, *, replayed: bool = False
    ) -> AsyncGenerator[SequencedEvent, None]:
        generation.join()
        try:
            async with aclosing(generation.events(resume_after)) as events:
                async for event in events:
                    if replayed and isinstance(event.event, GenerationResult):
                        yield SequencedEvent(event.sequence, replace(event.event, replayed=True))
                    else:
                        yield event
        finally:
            generation.leave(self._limits.reconnect_grace_seconds)

    def _publish(self, generation: Generation, run: int) -> None:
        """Let other instances follow; a task of its own, so that the generation never waits for it."""
        if self._relay is None:
            return
        request = generation.request
        publication = Publication(
            self._relay, request.key, request.request_id, run=run, fingerprint=generation.fingerprint
        )
        task = asyncio.create_task(publication.keep(generation, self._limits.reconnect_grace_seconds))
        self._publishers.add(task)
        task.add_done_callback(self._published)

    def _published(self, task: asyncio.Task[None]) -> None:
        self._publishers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a generation was not published to the end", exc_info=error)

    async def _relayed(
        self, request: GenerationRequest, found: CheckpointRecord, resume_after: int
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """What another instance sends or has sent. A finished request is answered from its record, unless its
        caller has seen a part: then only the very same events will do.
        """
        finished = found.header.status.terminal
        if self._follower is None or (finished and not resume_after):
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
        if running is not None and running.joinable:
            return running
        kept = self._retained.get(key)
        if kept is None or kept[0] < asyncio.get_running_loop().time():
            return None
        result = kept[1].channel.result
        lasting = result is not None and result.status is not GenerationStatus.CANCELLED
        return kept[1] if lasting else None

    def _retain(self, key: RunKey, generation: Generation) -> None:
        self._retained.pop(key, None)
        until = asyncio.get_running_loop().time() + self._limits.retain_seconds
        self._retained[key] = (until, generation)
        now = asyncio.get_running_loop().time()
        while self._retained:
            oldest = next(iter(self._retained))
            if len(self._retained) <= _RETAINED_CHANNELS and self._retained[oldest][0] >= now:
                break
            del self._retained[oldest]

    def _on_cancel(self, key: SessionKey, request_id: str) -> None:
        generation = self._running.get(_run_key(key, request_id))
        if generation is not None:
            generation.cancel(CancelCause.REQUESTED)

    async def _cancelled_elsewhere(self, key: SessionKey, request_id: str, principal: Principal) -> bool:
        """Wait for the running instance to record the end; if it does not, its process is gone: record it
        here, so that nobody resumes what was cancelled.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _REMOTE_CANCEL_SECONDS
        while True:
            # Newest record and the request's own in one read, and the session rolled forward: what is
            # appended below may neither follow a result nor hide one that the session still lacks.
            opened = await self._engine.sessions.open(key, principal, request_id)
            found = opened.found
            if found is None or found.header.status.terminal:
                return found is not None and found.header.status is CheckpointStatus.CANCELLED
            if loop.time() >= give_up:
                break
            await asyncio.sleep(_REMOTE_POLL_SECONDS)
        try:
            await self._close_record(found, opened.latest)
        except LeaseLostError:
            return False
        return True

    async def _close_record(self, found: CheckpointRecord, latest: CheckpointRecord | None) -> None:
        state = decode(found.state)
        journal = Journal(
            self._engine.checkpoints,
            state.request,
            found.header.request_fingerprint,
            latest,
            backend=self._engine.checkpoint_backend,
            observer=self._engine.workshop.observer,
        )
        journal.note(CheckpointStatus.CANCELLED.value)
        ended = evolved(state, next_stage=None, tasks=(), drafts=())
        await journal.append(ended, CheckpointStatus.CANCELLED)


def _run_key(key: SessionKey, request_id: str) -> RunKey:
    return (key.tenant_id, key.session_id, request_id)
