"""The last record of a generation, and its session after it: a finished, a cancelled or a failed end.

The record decides and the session follows: in one transaction where both share a backend, else one after the
other, and whoever opens the session next makes up for a crash in between.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from scriptgen.domain.checkpoint import CheckpointStatus
from scriptgen.domain.errors import (
    LeaseLostError,
    RevisionConflictError,
    ScriptgenError,
    StoreUnavailableError,
)
from scriptgen.domain.generation import GenerationResult
from scriptgen.domain.session import SessionHead
from scriptgen.stores.protocols import SessionStore

from .journal import now_us
from .outcome import cancelled_outcome, final_state, result_of, turn_outcome
from .projection import merged
from .run import Run
from .state import StoredError, TurnOutcome, WorkflowState, evolved, stored_result

logger = logging.getLogger(__name__)

_CONFLICT_RETRIES: Final = 5
#: Failures that would come again and are therefore stored; the others may pass and are tried again.
_LASTING: Final = frozenset({"INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION", "NOT_FOUND"})


class Ending:
    """Records how `run` ended. One of its methods is called, once."""

    def __init__(self, run: Run, sessions: SessionStore) -> None:
        self._run = run
        self._sessions = sessions

    async def finished(self, state: WorkflowState) -> GenerationResult:
        """The turn and its scripts; returns what the caller is told."""
        run = self._run
        assert state.status is not None
        status = CheckpointStatus(state.status.value)
        run.journal.note(status.value)

        def ending() -> WorkflowState:
            outcome = turn_outcome(state, run, now_us())
            result = result_of(state, outcome, run.journal.version + 1)
            return final_state(state, outcome, result)

        final = await self._on_newest_head(ending, status)
        result = stored_result(final)
        assert result is not None
        return result

    async def cancelled(self, state: WorkflowState) -> None:
        """No turn: only that it was cancelled."""
        run, status = self._run, CheckpointStatus.CANCELLED
        run.journal.note(status.value)

        def ending() -> WorkflowState:
            return evolved(state, next_stage=None, tasks=(), drafts=(), outcome=cancelled_outcome(run))

        await self._on_newest_head(ending, status)

    async def failed(self, state: WorkflowState, error: ScriptgenError | None) -> None:
        """The failure; its content only where it would come again."""
        stored = None
        if error is not None and error.code in _LASTING:
            stored = StoredError(error.code, error.reason, error.message)
        ended = evolved(state, next_stage=None, tasks=(), drafts=(), error=stored)
        await self._run.journal.append(ended, CheckpointStatus.FAILED)

    async def _on_newest_head(
        self, ending: Callable[[], WorkflowState], status: CheckpointStatus
    ) -> WorkflowState:
        """Record what `ending` makes of `run.head`, anew whenever UpdateSession came between."""
        for _ in range(_CONFLICT_RETRIES):
            final = ending()
            assert final.outcome is not None
            try:
                await self._record(final, status, final.outcome)
            except RevisionConflictError:
                self._run.head = await self._current_head()
                continue
            return final
        raise RevisionConflictError("The session is being changed by others.", retry_after=0.2)

    async def _record(self, state: WorkflowState, status: CheckpointStatus, outcome: TurnOutcome) -> None:
        run = self._run
        failpoints = run.workshop.failpoints
        failpoints.hit("before:commit")
        write = merged(run.head, outcome, version=run.journal.version + 1, now=now_us())
        if run.journal.commits_sessions:
            await run.journal.append(state, status, session=write)
        else:
            await run.journal.append(state, status)
            failpoints.hit("between:log-session")
            try:
                await self._sessions.save(write)
            except (RevisionConflictError, StoreUnavailableError):
                # The record stands; whoever opens the session next rolls it forward.
                logger.warning("session not saved after its record; it will be rolled forward")
        failpoints.hit("after:commit")

    async def _current_head(self) -> SessionHead:
        session = await self._sessions.load(self._run.head.key, turns=0)
        if session is None:
            raise LeaseLostError("The session was deleted meanwhile.", retry_after=1.0)
        return session.head
