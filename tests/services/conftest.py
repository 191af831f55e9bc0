from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from .live import Live, live


@pytest.fixture(params=["memory", "sqlite"])
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Live]:
    """The whole service on each embedded store."""
    async with live(
        SESSION_STORE=request.param,
        CHECKPOINT_STORE=request.param,
        SQLITE_PATH=str(tmp_path / "scriptgen.db"),
    ) as running:
        yield running
