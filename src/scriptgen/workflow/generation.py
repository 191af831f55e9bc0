"""One generation from acceptance to its end: opens the session, runs the workflow, commits, and says how it
went. Runs as a task of its own, so that more than one caller may listen and none of them owns it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from enum import Enum
from typing import Final, Protocol

import msgspec

from scriptgen.domain.canonical import canonical_json, sha256_hex
from scriptgen.domain.checkpoint import CheckpointRecord, CheckpointStatus
from scriptgen.domain.conversation import conversation_of
from scriptgen.domain.errors import (
    DrainingError,
    LeaseLostError,
    RevisionConflictError,
    ScriptgenError,
    StoreUnavailableError,
)
from scriptgen.domain.generation import (
    GenerationRequest,
    GenerationResult,
    ResetReason,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
    StageChanged,
)
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionHead
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.stores.protocols import CheckpointStore, OpenedSession, SessionStore

from .channel import EventChannel
from .grant import Grant
from .journal import Journal, now_us
from .outcome import cancelled_outcome, cancelled_result, final_state, result_of, turn_outcome
from .projection import merged
from .replay import replay_into, stored_answer
from .run import Run, Workshop
from .sessions import Sessions
from .state import StoredError, TurnOutcome, WorkflowState, decode, evolved, stored_result

logger = logging.getLogger(__name__)

#: How long the end of a generation may take once its caller is gone: one append and one release.
_END_SECONDS: Final = 3.0
_CONFLICT_RETRIES: Final = 5
#: Failures that would come again and are therefore stored; the others may pass and are tried again.
_LASTING: Final = frozenset({"INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"})


class Runner(Protocol):
    """The order of steps; see sequential_runner and langgraph_runner."""

    engine: str

    async def run(self, state: WorkflowState, run: Run) -> WorkflowState: ...


class CancelCause(Enum):
    """Why a generation was told to stop."""

    CALLERS_GONE = "callers gone"
    REQUESTED = "requested"
    LEASE_LOST = "lease lost"
    SHUTDOWN = "shutdown"


class Engine(msgspec.Struct, frozen=True):
    """What every generation of an instance needs. `learn` is told what a finished request really used, so
    that the next one is estimated better.
    """

    workshop: Workshop
    runner: Runner
    sessions: Sessions
    session_store: SessionStore
    checkpoints: CheckpointStore
    checkpoint_backend: str
    checkpoint_keep: int
    dedup_ttl_seconds: float
    learn: Callable[[GenerationRequest, GenerationResult], None]


def fingerprint_of(request: GenerationRequest) -> str:
    """SHA-256 over what the caller asked for, without request id and tracing."""
    return sha256_hex(
        canonical_json((request.key, request.user_id, request.query, request.parameters, request.product))
    )


class Generation:
    """Use `start`, then listen to `channel`; call `leave` when a listener goes."""

    def __init__(
        self,
        engine: Engine,
        request: GenerationRequest,
        principal: Principal,
        grant: Grant,
        channel: EventChannel,
        *,
        resume_after: int,
        deadline: float | None,
        on_accept: Callable[[Generation, int], None] | None = None,
    ) -> None:
        """`on_accept` is called once the request is recorded, with the version of that record."""
        self.request = request
        self.principal = principal
        self.fingerprint = fingerprint_of(request)
        self.channel = channel
        self._engine = engine
        self._grant = grant
        self._resume_after = resume_after
        self._deadline = deadline
        self._on_accept = on_accept
        self._listeners = 0
        self._begun = False
        self._ending = False
        self._cause: CancelCause | None = None
        self._task: asyncio.Task[None] | None = None
        self._tokens: int | None = 0
        self._run: Run | None = None

    def start(self, on_end: Callable[[], None]) -> asyncio.Task[None]:
        """Begin; the grant is the generation's from here on. `on_end` is called when all is given back."""
        self._grant.taken = True
        self._task = asyncio.create_task(self._main(), name=f"generation-{self.request.request_id}")
        self._task.add_done_callback(lambda _: on_end())
        return self._task

    @property
    def joinable(self) -> bool:
        """Whether it still runs and will go on: nobody wants the end of what others stopped."""
        return self._cause is None and not self.channel.closed

    def join(self) -> None:
        self._listeners += 1

    def events(self, after: int) -> AsyncGenerator[SequencedEvent, None]:
        """What follows sequence `after`. Who saw pieces of another stream, more or other ones than this
        channel can count on from, gets all of it under numbers of its own.
        """
        channel = self.channel
        if channel.first_sequence - 1 <= after <= channel.last_sequence:
            return channel.subscribe(after)
        return self._renumbered(after)

    async def _renumbered(self, after: int) -> AsyncGenerator[SequencedEvent, None]:
        sequence = after
        if after:
            drafts = self._run.state.drafts if self._run and self._run.state else ()
            for index in range(max(len(drafts), 1)):
                sequence += 1
                yield SequencedEvent(sequence, ScriptReset(index, ResetReason.GENERATION_RESUMED))
        async with aclosing(self.channel.subscribe()) as events:
            async for event in events:
                sequence += 1
                yield SequencedEvent(sequence, event.event)

    def leave(self, grace_seconds: float) -> None:
        """A listener is gone; the last one takes the generation with it, after the grace."""
        self._listeners -= 1
        if self._listeners or self.channel.closed:
            return
        if grace_seconds <= 0:
            self.cancel(CancelCause.CALLERS_GONE)
        else:
            asyncio.get_running_loop().call_later(grace_seconds, self._cancel_if_alone)

    def cancel(self, cause: CancelCause) -> None:
        """Stop at the next await; the first cause counts. Once the end is being recorded it is too late."""
        if self._cause is not None or self._ending or self._task is None or self._task.done():
            return
        self._cause = cause
        if self._begun:
            self._task.cancel()  # a task that is cancelled before its first step gives nothing back

    async def ended(self) -> None:
        """Wait until everything is given back."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _cancel_if_alone(self) -> None:
        if not self._listeners and not self.channel.closed:
            self.cancel(CancelCause.CALLERS_GONE)

    async def _main(self) -> None:
        started = asyncio.get_running_loop().time()
        watcher = self._watch_lease()
        self._begun = True
        try:
            try:
                await self._work()
            except asyncio.CancelledError:
                await self._cancelled()
            except ScriptgenError as error:
                await self._bounded(self._failed(error))
                self.channel.close(error)
            except Exception as error:  # noqa: BLE001  - handed to the listeners, where it becomes INTERNAL
                await self._bounded(self._failed(None))
                self.channel.close(error)
        finally:
            if watcher is not None:
                watcher.cancel()
                await asyncio.wait({watcher})
            self._observe(started)
            await self._grant.close(self._tokens)
            # Nobody may be left waiting, whatever happened above.
            self.channel.close(DrainingError("The service is shutting down.", retry_after=1.0))

    async def _work(self) -> None:
        if self._cause is not None:  # stopped before the first step
            raise asyncio.CancelledError
        engine, request = self._engine, self.request
        wanted = request.request_id if request.deduplicate else None
        for _ in range(_CONFLICT_RETRIES):
            opened = await engine.sessions.open(request.key, self.principal, wanted)
            answer = stored_answer(opened.found, self.fingerprint, engine.dedup_ttl_seconds, now_us())
            if answer is not None:
                replay_into(self.channel, answer, self._resume_after)
                engine.workshop.observer.replay()
                return
            try:
                state = await self._accept(opened)
            except LeaseLostError:
                self._run = None  # somebody appended since we looked; nothing of ours has run
                continue
            break
        else:
            raise LeaseLostError("The session is being taken over by others.", retry_after=0.2)
        assert self._run is not None
        state = await engine.runner.run(state, self._run)
        await self._complete(state, self._run)

    async def _accept(self, opened: OpenedSession) -> WorkflowState:
        """Record that the request was accepted, or taken over where another worker left it."""
        engine, request = self._engine, self.request
        session = opened.session
        assert session is not None
        journal = Journal(
            engine.checkpoints,
            request,
            self.fingerprint,
            opened.latest,
            backend=engine.checkpoint_backend,
            observer=engine.workshop.observer,
        )
        run = Run(
            workshop=engine.workshop,
            principal=self.principal,
            head=session.head,
            conversation=conversation_of(session),
            journal=journal,
            emit=self.channel.emit,
            deadline=self._deadline,
        )
        status = CheckpointStatus.RESUMED
        state = _resumable(opened.found)
        if state is None:
            status = CheckpointStatus.ACCEPTED
            state = WorkflowState(request=request)
        else:
            state = evolved(state, resumed=True, turn_index=session.head.turn_count)
        run.state = state
        self._run = run
        await journal.append(state, status)
        engine.workshop.failpoints.hit("accepted")
        if self._on_accept is not None:
            self._on_accept(self, journal.version)
        self._restate(state)
        return state

    def _restate(self, state: WorkflowState) -> None:
        """Tell a reconnected listener what still holds of what it saw elsewhere."""
        if self._resume_after:
            for index in range(max(len(state.drafts), 1)):
                self.channel.emit(ScriptReset(index, ResetReason.GENERATION_RESUMED))
        for index, draft in enumerate(state.drafts):
            if draft is not None:
                self.channel.emit(ScriptDelta(index, draft.text))

    async def _complete(self, state: WorkflowState, run: Run) -> None:
        self._ending = True
        result = await self._commit(state, run)
        if result.status in {GenerationStatus.COMPLETED, GenerationStatus.DEGRADED}:
            self.channel.emit(StageChanged(Stage(result.status.value), state.attempt))
        self._tokens = max(run.tokens_spent, result.usage.total)
        self._engine.learn(self.request, result)
        self.channel.emit(result)
        self.channel.close()
        keep = self._engine.checkpoint_keep
        if keep and run.journal.version % keep == 0:
            await self._bounded(self._prune(keep))

    async def _commit(self, state: WorkflowState, run: Run) -> GenerationResult:
        """Record the end and apply it to the session. The record decides; the session follows."""
        assert state.status is not None
        status = CheckpointStatus(state.status.value)
        run.journal.note(status.value)

        def ending() -> WorkflowState:
            outcome = turn_outcome(state, run, now_us())
            result = result_of(state, outcome, run.journal.version + 1)
            return final_state(state, outcome, result)

        final = await self._record_on_newest_head(ending, status, run)
        result = stored_result(final)
        assert result is not None
        return result

    async def _record_on_newest_head(
        self, ending: Callable[[], WorkflowState], status: CheckpointStatus, run: Run
    ) -> WorkflowState:
        """Record what `ending` makes of `run.head`, anew whenever UpdateSession came between."""
        for _ in range(_CONFLICT_RETRIES):
            final = ending()
            assert final.outcome is not None
            try:
                await self._record(final, status, final.outcome, run)
            except RevisionConflictError:
                run.head = await self._current_head()
                continue
            return final
        raise RevisionConflictError("The session is being changed by others.", retry_after=0.2)

    async def _record(
        self, state: WorkflowState, status: CheckpointStatus, outcome: TurnOutcome, run: Run
    ) -> None:
        """Append the final record and save the session: in one transaction where both share a backend."""
        failpoints = self._engine.workshop.failpoints
        failpoints.hit("before:commit")
        write = merged(run.head, outcome, version=run.journal.version + 1, now=now_us())
        if run.journal.commits_sessions:
            await run.journal.append(state, status, session=write)
        else:
            await run.journal.append(state, status)
            failpoints.hit("between:log-session")
            try:
                await self._engine.session_store.save(write)
            except (RevisionConflictError, StoreUnavailableError):
                # The record stands; whoever opens the session next rolls it forward.
                logger.warning("session not saved after its record; it will be rolled forward")
        failpoints.hit("after:commit")

    async def _current_head(self) -> SessionHead:
        session = await self._engine.session_store.load(self.request.key, turns=0)
        if session is None:
            raise LeaseLostError("The session was deleted meanwhile.", retry_after=1.0)
        return session.head

    async def _cancelled(self) -> None:
        run, cause = self._run, self._cause
        self._tokens = run.tokens_spent if run else 0
        if cause is CancelCause.SHUTDOWN:
            # Left unfinished on purpose: the same request_id goes on with it on another instance.
            self.channel.close(DrainingError("The service is shutting down.", retry_after=1.0))
            return
        if cause is CancelCause.LEASE_LOST:
            self.channel.close(LeaseLostError("Another worker took this session over.", retry_after=0.1))
            return
        version = 0
        if run is not None and run.state is not None:
            await self._bounded(self._record_cancelled(run, run.state))
            version = run.journal.version
        last = run.state if run and run.state else WorkflowState(request=self.request)
        self.channel.emit(cancelled_result(last, version, self._tokens or 0))
        self.channel.close()

    async def _record_cancelled(self, run: Run, state: WorkflowState) -> None:
        status = CheckpointStatus.CANCELLED
        run.journal.note(status.value)

        def ending() -> WorkflowState:
            return evolved(state, next_stage=None, tasks=(), drafts=(), outcome=cancelled_outcome(run))

        await self._record_on_newest_head(ending, status, run)

    async def _failed(self, error: ScriptgenError | None) -> None:
        """Record the failure, best effort: what is not recorded is simply tried again."""
        self._ending = True
        run = self._run
        self._tokens = run.tokens_spent if run else 0
        if run is None or run.state is None or isinstance(error, LeaseLostError | StoreUnavailableError):
            return  # the log is another worker's now, or out of reach: left for the retry to go on with
        stored = None
        if error is not None and error.code in _LASTING:
            stored = StoredError(error.code, error.reason, error.message)
        state = evolved(run.state, next_stage=None, tasks=(), drafts=(), error=stored)
        try:
            await run.journal.append(state, CheckpointStatus.FAILED)
        except ScriptgenError:
            logger.warning("failure of a generation not recorded")

    async def _bounded(self, ending: Awaitable[None]) -> None:
        """Run an end-of-life step under its own time bound; its trouble must not hide the first one."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                await ending
        except TimeoutError:
            logger.warning("end of a generation not recorded in time")
        except ScriptgenError as error:
            logger.warning("end of a generation not recorded: %s", error.reason)

    async def _prune(self, keep: int) -> None:
        await self._engine.checkpoints.prune(self.request.key, keep)

    def _watch_lease(self) -> asyncio.Task[None] | None:
        lock = self._grant.lock
        if lock is None:
            return None

        async def watch() -> None:
            await lock.lost.wait()
            self.cancel(CancelCause.LEASE_LOST)

        return asyncio.create_task(watch(), name="lease-watch")

    def _observe(self, started: float) -> None:
        observer, result = self._engine.workshop.observer, self.channel.result
        if result is None or self._run is None or self._run.state is None:
            return
        intent = result.intent.type.value if result.intent else ""
        observer.generation(result.status.value, intent, result.backend)
        total = asyncio.get_running_loop().time() - started
        observer.overhead_seconds(max(total - self._run.state.upstream_seconds, 0.0))
        if self.channel.first_delta_at is not None:
            observer.first_delta_seconds(self.channel.first_delta_at - started)


def _resumable(found: CheckpointRecord | None) -> WorkflowState | None:
    """The state to go on from, when `found` is an unfinished record this version can read."""
    if found is None or found.header.status.terminal:
        return None
    try:
        return decode(found.state)
    except msgspec.ValidationError:
        return None
