"""What holds for the whole suite."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

FAULTS = Path(__file__).parent / "faults"


def pytest_configure() -> None:
    """Hundreds of tests build a whole application, and its lexicon is 200,000 objects: a collector
    that looks through them every 700 takes three quarters of the time.
    """
    gc.set_threshold(100_000, 50, 50)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fault tests hold wall-clock bounds: they run alone, after the rest (`make test`)."""
    for item in items:
        if FAULTS in item.path.parents:
            item.add_marker(pytest.mark.timing)
