"""Tells the one process there is that a generation shall end; ending it is the callback's business."""

from __future__ import annotations

from collections.abc import Callable

from scriptgen.domain.session import SessionKey

Callback = Callable[[SessionKey, str], None]


class LocalCancelBus:
    """One process: publishing calls back at once."""

    def __init__(self) -> None:
        self._callback: Callback | None = None

    def listen(self, callback: Callback) -> None:
        self._callback = callback

    async def start(self) -> None:
        """Nothing runs in the background."""

    def notify(self, key: SessionKey, request_id: str) -> None:
        if self._callback is not None:
            self._callback(key, request_id)

    async def publish(self, key: SessionKey, request_id: str) -> None:
        self.notify(key, request_id)

    async def close(self) -> None:
        """Nothing to stop."""
