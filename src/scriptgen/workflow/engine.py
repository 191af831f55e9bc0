"""What every generation of an instance works with, and how two requests are told to be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from scriptgen.domain.canonical import canonical_json, sha256_hex
from scriptgen.domain.generation import GenerationRequest, GenerationResult
from scriptgen.stores.protocols import CheckpointStore, SessionStore

from .run import Run, Workshop
from .sessions import Sessions
from .state import WorkflowState


class Runner(Protocol):
    """The order of steps; see sequential_runner and langgraph_runner."""

    engine: str

    async def run(self, state: WorkflowState, run: Run) -> WorkflowState: ...


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
    dedup_ttl_seconds: float
    learn: Callable[[GenerationRequest, GenerationResult], None]


def fingerprint_of(request: GenerationRequest) -> str:
    """SHA-256 over what the caller asked for, without request id and tracing."""
    return sha256_hex(
        canonical_json((request.key, request.user_id, request.query, request.parameters, request.product))
    )
