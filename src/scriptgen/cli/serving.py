"""`scriptgen serve` and `scriptgen config`."""

from __future__ import annotations

import sys

from scriptgen.settings import Settings, SettingsError, load_settings


def serve() -> int:
    """Run one process, or several on one port. Exit code 2 and one line when the settings are wrong."""
    try:
        settings = load_settings()
        return _run(settings)
    except SettingsError as error:
        print(f"scriptgen: {error}", file=sys.stderr)
        return 2


def config() -> int:
    try:
        settings = load_settings()
    except SettingsError as error:
        print(f"scriptgen: {error}", file=sys.stderr)
        return 2
    for name, value in settings.masked().items():
        print(f"{name}={value}")
    return 0


def _run(settings: Settings) -> int:
    if settings.server_workers > 1:
        from scriptgen.workers import supervise

        return supervise(settings)
    from scriptgen.process import run_worker

    run_worker(settings)
    return 0
