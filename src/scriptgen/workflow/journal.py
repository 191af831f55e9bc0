"""Writes one generation's records to the session's checkpoint log, each under compare-and-set.

Remembers where the log stood, so that a worker that was overtaken cannot append, and which stages have run
since the last append, so that cheap ones share a record.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from scriptgen.domain.checkpoint import (
    GENESIS_CHECKSUM,
    SCHEMA_VERSION,
    CheckpointHeader,
    CheckpointRecord,
    CheckpointStatus,
    sealed,
)
from scriptgen.domain.errors import LeaseLostError, VersionConflictError
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionWrite
from scriptgen.stores.protocols import CheckpointStore

from .state import WorkflowState, encode


def now_us() -> int:
    return time.time_ns() // 1000


class Journal:
    """The log as one generation sees it: `version` and `checksum` are those of the newest record."""

    def __init__(
        self,
        store: CheckpointStore,
        request: GenerationRequest,
        fingerprint: str,
        latest: CheckpointRecord | None,
        *,
        backend: str,
        observer: Observer,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._store = store
        self._request = request
        self._fingerprint = fingerprint
        self._backend = backend
        self._observer = observer
        self._clock = clock
        self._stages: list[str] = []
        self._one_at_a_time = asyncio.Lock()
        self.version = latest.version if latest else 0
        self.checksum = latest.checksum if latest else GENESIS_CHECKSUM

    @property
    def commits_sessions(self) -> bool:
        return self._store.commits_sessions

    def note(self, stage: str) -> None:
        """`stage` has run; the next record will list it."""
        self._stages.append(stage)

    async def append(
        self, state: WorkflowState, status: CheckpointStatus, *, session: SessionWrite | None = None
    ) -> None:
        """Raises `LeaseLostError` when another worker has appended meanwhile, `RevisionConflictError` when
        `session` was made for another revision, `StoreUnavailableError` when it is not known to be stored.

        A cancel does not interrupt it: a write that is on its way cannot be called back, and only its outcome
        tells what may be appended next. The store bounds how long that takes.
        """
        await _to_the_end(self._append(state, status, session))

    async def _append(
        self, state: WorkflowState, status: CheckpointStatus, session: SessionWrite | None
    ) -> None:
        async with self._one_at_a_time:
            record = self._next(state, status)
            outcome = "error"
            try:
                await self._store.append(record, self.version, session=session)
                outcome = "ok"
            except VersionConflictError:
                outcome = "conflict"
                raise LeaseLostError(
                    "Another worker took this session over; nothing of this generation was stored.",
                    retry_after=0.1,
                ) from None
            finally:
                self._observer.checkpoint_write(self._backend, outcome)
            self.version = record.version
            self.checksum = record.checksum
            self._stages.clear()

    def _next(self, state: WorkflowState, status: CheckpointStatus) -> CheckpointRecord:
        stages = tuple(self._stages)
        header = CheckpointHeader(
            session_id=self._request.key.session_id,
            version=self.version + 1,
            trace_id=self._request.trace_id,
            request_id=self._request.request_id,
            request_fingerprint=self._fingerprint,
            stage=stages[-1] if stages else "",
            stages=stages,
            next_stage=state.next_stage.value if state.next_stage else "",
            status=status,
            attempt=state.attempt,
            schema_version=SCHEMA_VERSION,
            prev_checksum=self.checksum,
            create_time=self._clock(),
        )
        return sealed(self._request.key.tenant_id, header, encode(state))


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` also through a cancel, which is raised when it has ended; its own error then is moot."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
