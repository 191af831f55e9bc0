"""Cancelling a generation that another instance runs, or ran until it died.

Not responsible for telling that instance: the cancel bus does.
"""

from __future__ import annotations

import asyncio
from typing import Final

from scriptgen.domain.checkpoint import CheckpointRecord, CheckpointStatus
from scriptgen.domain.errors import LeaseLostError
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey

from .engine import Engine
from .journal import Journal
from .state import decode, evolved

#: How long the instance that runs the generation has before it is decided here.
_WAIT_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.1


async def cancelled_elsewhere(engine: Engine, key: SessionKey, request_id: str, principal: Principal) -> bool:
    """Wait for the running instance to record the end; if it does not, its process is gone: record it here,
    so that nobody resumes what was cancelled. False when the generation had another end.
    """
    loop = asyncio.get_running_loop()
    give_up = loop.time() + _WAIT_SECONDS
    while True:
        # Newest record and the request's own in one read, and the session rolled forward: what is appended
        # below may neither follow a result nor hide one that the session still lacks.
        opened = await engine.sessions.open(key, principal, request_id)
        found = opened.found
        if found is None or found.header.status.terminal:
            return found is not None and found.header.status is CheckpointStatus.CANCELLED
        if loop.time() >= give_up:
            break
        await asyncio.sleep(_POLL_SECONDS)
    try:
        await _record_cancelled(engine, found, opened.latest)
    except LeaseLostError:
        return False
    return True


async def _record_cancelled(engine: Engine, found: CheckpointRecord, latest: CheckpointRecord | None) -> None:
    state = decode(found.state)
    journal = Journal(
        engine.checkpoints,
        state.request,
        found.header.request_fingerprint,
        latest,
        backend=engine.checkpoint_backend,
        observer=engine.workshop.observer,
    )
    journal.note(CheckpointStatus.CANCELLED.value)
    ended = evolved(state, next_stage=None, tasks=(), drafts=())
    await journal.append(ended, CheckpointStatus.CANCELLED)
