"""Starting `worker` processes and talking to them line by line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


class Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def hear(self) -> dict[str, Any]:
        """The next line that the worker says."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        assert line, "the worker ended early"
        content: dict[str, Any] = json.loads(line)
        return content

    async def hear_all(self) -> list[dict[str, Any]]:
        """Everything until it ends."""
        assert self.process.stdout is not None
        lines = [json.loads(line) async for line in self.process.stdout]
        assert await self.process.wait() == 0
        return lines

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")


@contextlib.asynccontextmanager
async def worker(*arguments: object) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.conformance.coordination.worker", *map(str, arguments)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 22,
    )
    try:
        yield Worker(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
