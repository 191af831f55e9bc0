from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from scriptgen.app import langgraph_installed

from .kit import Kit, running

ENGINES = [
    "sequential",
    pytest.param(
        "langgraph",
        marks=[
            pytest.mark.langgraph,
            pytest.mark.skipif(not langgraph_installed(), reason="LangGraph is not installed"),
        ],
    ),
]


@pytest.fixture(params=ENGINES)
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    async with running(workflow_engine=request.param) as built:
        yield built
