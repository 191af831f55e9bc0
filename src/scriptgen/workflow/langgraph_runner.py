# Annotations are evaluated here on purpose: LangGraph reads them, and strings of local names break that.
"""The workflow as a LangGraph `StateGraph`.

A superstep costs about 0.5 ms, a stage of ours some microseconds. So a node is not one stage but the run
forward that begins with it, and there are two: the first stage, and the writing, to which the next script of
a set and a regeneration come back. A resumed generation goes on from its stage in the first node. LangGraph's
own checkpointer has no compare-and-set and is not used.
"""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Command

from scriptgen.domain.vocabulary import Stage

from .run import Run
from .stages import STAGES
from .state import WorkflowState
from .step import step

#: More supersteps than any generation can take: ten scripts, each regenerated up to ten times.
_RECURSION_LIMIT = 500
#: A later stage follows in the same node, an earlier one in the next superstep.
_ORDER = {stage: place for place, stage in enumerate(STAGES)}
_FIRST, _AGAIN = Stage.CONTEXT_LOADING, Stage.SCRIPT_GENERATING


class GraphState(TypedDict):
    """LangGraph's channels: one, holding our state whole."""

    workflow: WorkflowState


class LangGraphRunner:
    """Compiled once; `run` may be called concurrently."""

    engine = "langgraph"

    def __init__(self) -> None:
        graph: StateGraph[GraphState, Run, GraphState, GraphState] = StateGraph(
            GraphState, context_schema=Run
        )
        for stage in (_FIRST, _AGAIN):
            graph.add_node(stage.value, _run_forward, destinations=(_AGAIN.value, END))
        graph.add_edge(START, _FIRST.value)
        self._graph = graph.compile(checkpointer=None)

    async def run(self, state: WorkflowState, run: Run) -> WorkflowState:
        if state.next_stage is None:
            return state
        final = await self._graph.ainvoke(
            {"workflow": state}, {"recursion_limit": _RECURSION_LIMIT}, context=run
        )
        result: WorkflowState = final["workflow"]
        return result


async def _run_forward(state: GraphState, runtime: Runtime[Run]) -> Command[str]:
    workflow, run = state["workflow"], runtime.context
    stage = workflow.next_stage
    while stage is not None:
        workflow = await step(stage, workflow, run)
        following = workflow.next_stage
        stage = following if following is not None and _ORDER[following] > _ORDER[stage] else None
    onward = workflow.next_stage
    assert onward in {None, _AGAIN}, "nothing else comes round again"
    return Command(update={"workflow": workflow}, goto=onward.value if onward else END)
