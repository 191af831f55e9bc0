"""The service's version: that of the installed package, or of the source tree it runs from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def service_version() -> str:
    try:
        return version("scriptgen")
    except PackageNotFoundError:
        return (Path(__file__).parents[2] / "VERSION").read_text().strip()
