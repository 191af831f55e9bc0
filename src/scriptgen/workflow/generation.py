"""One generation from acceptance to its end: opens the session, runs the workflow, commits, and says how it
went. Runs as a task of its own, so that more than one caller may listen and none of them owns it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Final

from scriptgen.domain.conversation import conversation_of
from scriptgen.domain.errors import (
    DeadlineExceededError,
    DrainingError,
    LeaseLostError,
    ScriptgenError,
    StoreUnavailableError,
)
from scriptgen.domain.generation import (
    GenerationRequest,
    GenerationResult,
    StageChanged,
)
from scriptgen.domain.identity import Principal
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.stores.protocols import OpenedSession

from .audience import Audience
from .channel import EventChannel
from .ending import Ending
from .engine import Engine, fingerprint_of
from .grant import Grant
from .journal import Journal, now_us
from .outcome import cancelled_result
from .replay import replay_into, stored_answer
from .resumption import first_state, restate
from .run import Run
from .state import WorkflowState

logger = logging.getLogger(__name__)

#: How long the end of a generation may take once its caller is gone: one append and one release.
_END_SECONDS: Final = 3.0
_CONFLICT_RETRIES: Final = 5


class CancelCause(Enum):
    """Why a generation was told to stop."""

    CALLERS_GONE = "callers gone"
    REQUESTED = "requested"
    LEASE_LOST = "lease lost"
    SHUTDOWN = "shutdown"


class Generation:
    """Use `start`, then join its `audience`; when nobody is left in it, the generation ends."""

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
        self._begun = False
        self._ending = False
        self._cause: CancelCause | None = None
        self._task: asyncio.Task[None] | None = None
        self._started = 0.0
        self._tokens: int | None = 0
        self._run: Run | None = None
        self.audience = Audience(
            channel, drafts=self._drafts, deserted=lambda: self.cancel(CancelCause.CALLERS_GONE)
        )

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

    def allow(self, deadline: float | None) -> None:
        """Go on until `deadline` (None: without end) if that is later: a caller with more time has come."""
        if self._deadline is not None and (deadline is None or deadline > self._deadline):
            self._deadline = deadline
            if self._run is not None:
                self._run.deadline = deadline

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

    def _drafts(self) -> int:
        state = self._run.state if self._run else None
        return state.scripts_planned if state else 1

    async def _main(self) -> None:
        self._started = asyncio.get_running_loop().time()
        watcher = self._grant.watch(lambda: self.cancel(CancelCause.LEASE_LOST))
        self._begun = True
        try:
            try:
                await self._work()
            except asyncio.CancelledError:
                await self._cancelled()
            except DeadlineExceededError as error:
                # As if gRPC's own timer had been first: its cancel is recorded the same way.
                await self._record_cancelled()
                self.channel.close(error)
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
            await self._grant.close(self._tokens)
            # Nobody may be left waiting, whatever happened above.
            self.channel.close(DrainingError("The service is shutting down.", retry_after=1.0))
            self.audience.ended()

    async def _work(self) -> None:
        if self._cause is not None:  # stopped before the first step
            raise asyncio.CancelledError
        engine, request = self._engine, self.request
        opened, self._grant.opened = self._grant.opened, None
        for _ in range(_CONFLICT_RETRIES):
            if opened is None:
                opened = await engine.sessions.open_for(request, self.principal)
            answer = stored_answer(opened.found, self.fingerprint, engine.dedup_ttl_seconds, now_us())
            if answer is not None:
                replay_into(self.channel, answer, self._resume_after)
                engine.workshop.observer.replay()
                return
            try:
                state = await self._accept(opened)
            except LeaseLostError:
                self._run = None  # somebody appended since we looked; nothing of ours has run
                opened = None
                continue
            break
        else:
            raise LeaseLostError("The session is being taken over by others.", retry_after=0.2)
        assert self._run is not None
        await self._complete(await self._written(state, self._run), self._run)

    async def _written(self, state: WorkflowState, run: Run) -> WorkflowState:
        """The state at the end of the workflow; taken up again for a caller who has more time than the one
        before.
        """
        while True:
            deadline = run.deadline
            try:
                return await self._engine.runner.run(state, run)
            except DeadlineExceededError:
                if run.deadline == deadline:
                    raise
                state = run.state or state
                restate(self.channel, state, void=True)

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
        state, status = first_state(request, opened.found, session.head.turn_count)
        run.state = state
        self._run = run
        # Where both are in Redis, the influencer's profile travels with the record.
        reading = engine.workshop.profiles.read_ahead(session.head.tenant_id, session.head.influencer.name)
        try:
            await journal.append(state, status)
        finally:
            if reading is not None:
                await asyncio.wait({reading})
        engine.workshop.failpoints.hit("accepted")
        if self._on_accept is not None:
            self._on_accept(self, journal.version)
        restate(self.channel, state, void=self._resume_after > 0)
        return state

    async def _complete(self, state: WorkflowState, run: Run) -> None:
        self._ending = True
        result = await self._end_of(run).finished(state)
        if result.status in {GenerationStatus.COMPLETED, GenerationStatus.DEGRADED}:
            self.channel.emit(StageChanged(Stage(result.status.value), state.attempt))
        self._tokens = max(run.tokens_spent, result.usage.total)
        self._engine.learn(self.request, result)
        self._tell(result)
        self.channel.close()

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
        await self._record_cancelled()
        last = run.state if run and run.state else WorkflowState(request=self.request)
        version = run.journal.version if run and run.state else 0
        self._tell(cancelled_result(last, version, self._tokens or 0))
        self.channel.close()

    async def _record_cancelled(self) -> None:
        self._ending = True
        run = self._run
        self._tokens = run.tokens_spent if run else 0
        if run is not None and run.state is not None:
            await self._bounded(self._end_of(run).cancelled(run.state))

    async def _failed(self, error: ScriptgenError | None) -> None:
        """Record the failure, best effort: what is not recorded is simply tried again."""
        self._ending = True
        run = self._run
        self._tokens = run.tokens_spent if run else 0
        if run is None or run.state is None or isinstance(error, LeaseLostError | StoreUnavailableError):
            return  # the log is another worker's now, or out of reach: left for the retry to go on with
        try:
            await self._end_of(run).failed(run.state, error)
        except ScriptgenError:
            logger.warning("failure of a generation not recorded")

    def _end_of(self, run: Run) -> Ending:
        return Ending(run, self._engine.session_store)

    async def _bounded(self, ending: Awaitable[None]) -> None:
        """Run an end-of-life step under its own time bound; its trouble must not hide the first one."""
        try:
            async with asyncio.timeout(_END_SECONDS):
                await ending
        except TimeoutError:
            logger.warning("end of a generation not recorded in time")
        except ScriptgenError as error:
            logger.warning("end of a generation not recorded: %s", error.reason)

    def _tell(self, result: GenerationResult) -> None:
        """Count it, then send it: whoever has the answer finds it in the metrics."""
        observer = self._engine.workshop.observer
        if self._run is not None and self._run.state is not None:
            intent = result.intent.type.value if result.intent else ""
            observer.generation(result.status.value, intent, result.backend)
            total = asyncio.get_running_loop().time() - self._started
            observer.overhead_seconds(max(total - self._run.state.upstream_seconds, 0.0))
            if self.channel.first_delta_at is not None:
                observer.first_delta_seconds(self.channel.first_delta_at - self._started)
        self.channel.emit(result)
