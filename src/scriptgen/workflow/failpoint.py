"""Named places where a test may kill the process, to show that nothing is lost there.

Configured by FAILPOINTS in development only: `name[@n]`, comma separated; the n-th passage (1 when left out)
ends the process with SIGKILL.
"""

from __future__ import annotations

import os
import signal


class Failpoints:
    """Counts passages of configured names; an unconfigured one costs one dictionary look-up."""

    def __init__(self, specification: str = "") -> None:
        self._remaining: dict[str, int] = {}
        for item in filter(None, (part.strip() for part in specification.split(","))):
            name, _, count = item.partition("@")
            self._remaining[name] = int(count or 1)

    def hit(self, name: str) -> None:
        if not self._remaining:
            return
        remaining = self._remaining.get(name)
        if remaining is None:
            return
        self._remaining[name] = remaining - 1
        if remaining == 1:
            os.kill(os.getpid(), signal.SIGKILL)
