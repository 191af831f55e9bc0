"""What holds for the whole suite."""

from __future__ import annotations

from pathlib import Path

import pytest

FAULTS = Path(__file__).parent / "faults"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fault tests hold wall-clock bounds: they run alone, after the rest (`make test`)."""
    for item in items:
        if FAULTS in item.path.parents:
            item.add_marker(pytest.mark.timing)
