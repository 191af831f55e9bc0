"""A configuration file that is read again when it changes, without a restart; the last good content stays.

Used for key files, JSON Web Key Sets, public keys and certificates. The check is a `stat` at most once a
second; the files are small, so reading them on the event loop is cheaper than handing them to a thread.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

logger = logging.getLogger("scriptgen.files")

T = TypeVar("T")
CHECK_SECONDS = 1.0


class WatchedFile(Generic[T]):
    """`current()` is the parsed content of the newest good version of `paths`, parsed together."""

    def __init__(
        self,
        paths: tuple[Path, ...],
        parse: Callable[[tuple[bytes, ...]], T],
        *,
        check_seconds: float = CHECK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises what `parse` raises, or OSError, when the first version cannot be read."""
        self._paths = paths
        self._parse = parse
        self._check_seconds = check_seconds
        self._monotonic = monotonic
        self._checked = monotonic()
        self._seen = self._stamp()
        self._value = self._read()

    def current(self) -> T:
        """Never raises: a version that cannot be read or parsed is logged once and passed over."""
        now = self._monotonic()
        if now - self._checked < self._check_seconds:
            return self._value
        self._checked = now
        # The stamp is taken before reading: a write in between is noticed by the next check.
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._reload()
        return self._value

    def _reload(self) -> None:
        names = ", ".join(path.name for path in self._paths)
        try:
            self._value = self._read()
        except (OSError, ValueError) as error:
            # ValueError: bad JSON, text or PEM. Its message may quote content, its type does not.
            logger.error(  # noqa: TRY400 (a traceback would show content)
                "changed file not usable, last good version kept",
                extra={"fields": {"file": names, "error": type(error).__name__}},
            )
        else:
            logger.info("file read again", extra={"fields": {"file": names}})

    def _read(self) -> T:
        return self._parse(tuple(path.read_bytes() for path in self._paths))

    def _stamp(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (twice as fast as Path.stat, on the way of every call)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
