"""The workflow as a plain loop: for installations without LangGraph and as the other runner's measure."""

from __future__ import annotations

from .run import Run
from .state import WorkflowState
from .step import step


class SequentialRunner:
    """Runs steps until no stage is left; begins at `state.next_stage`, which makes it resumable."""

    engine = "sequential"

    async def run(self, state: WorkflowState, run: Run) -> WorkflowState:
        while state.next_stage is not None:
            state = await step(state.next_stage, state, run)
        return state
