"""One step of the workflow: run a stage, merge, decide the next, record, announce. The only place where a
stage is run, so a runner is nothing but the order of steps.
"""

from __future__ import annotations

from scriptgen.domain.checkpoint import CheckpointStatus
from scriptgen.domain.vocabulary import Stage

from .run import Run
from .stages import STAGES, next_stage
from .state import WorkflowState, evolved


async def step(stage: Stage, state: WorkflowState, run: Run) -> WorkflowState:
    """The state after `stage`. What cost a model call is durable before this returns."""
    spec = STAGES[stage]
    failpoints = run.workshop.failpoints
    failpoints.hit(f"before:{stage}")
    run.announce(stage, state.attempt)
    started = run.clock()
    update = await spec.run(state, run)
    seconds = run.clock() - started
    run.workshop.observer.stage_seconds(stage.value, seconds)
    spent = {**state.stage_seconds, stage.value: state.stage_seconds.get(stage.value, 0.0) + seconds}
    state = evolved(state, **update, stage_seconds=spent)
    state = run.state = evolved(state, next_stage=next_stage(stage, state))
    run.journal.note(stage.value)
    failpoints.hit(f"after:{stage}")
    if spec.durable(state):
        await run.journal.append(state, CheckpointStatus.RUNNING)
        failpoints.hit(f"recorded:{stage}")
    return state
