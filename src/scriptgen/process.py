"""What every serving process does first: logging and event loop; then it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scriptgen.log import configure_logging
from scriptgen.metrics import Metrics
from scriptgen.rpc.interceptors.call import current_trace_id
from scriptgen.server import serve
from scriptgen.settings import Settings


def run_worker(settings: Settings, *, metrics: Metrics | None = None, share_port: bool = False) -> None:
    """Serve until told to stop. Raises `SettingsError` when the start fails."""
    configure_logging(
        settings.log_level,
        settings.log_format,
        content=settings.log_content,
        trace_id=current_trace_id,
    )
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(settings, metrics=metrics, share_port=share_port))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Uvloop where it is installed: about a tenth less CPU for the same calls."""
    try:
        import uvloop  # noqa: PLC0415  - not on every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
