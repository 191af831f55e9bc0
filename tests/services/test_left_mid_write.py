"""Clients that vanish while a stream is written to them: nothing in the log, nothing left behind."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator

import pytest

from scriptgen.log import configure_logging
from scriptgen.v1 import generate_pb2
from tests.http2 import connected

from .live import live, until_idle

METHOD = "/scriptgen.v1.GenerateService/GenerateStream"


@pytest.fixture
def unfiltered() -> Iterator[io.StringIO]:
    """What all loggers say, without our filter."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logging.getLogger().addHandler(handler)
    yield stream
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def told(unfiltered: io.StringIO) -> Iterator[io.StringIO]:
    """The service's own log."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:]
    levels = root.level, logging.getLogger("scriptgen").level
    ours = configure_logging("INFO", stream=stream)
    for handler in before:
        root.addHandler(handler)
    yield stream
    root.removeHandler(ours)
    root.setLevel(levels[0])
    logging.getLogger("scriptgen").setLevel(levels[1])
    logging.captureWarnings(capture=False)


async def test_clients_that_vanish_mid_write_cost_neither_the_process_nor_a_traceback(
    unfiltered: io.StringIO, told: io.StringIO
) -> None:
    """A window of nothing keeps the first message of each stream in the middle of its write."""
    async with live() as running:
        admission = running.server.app.admission
        for _ in range(5):
            request = generate_pb2.GenerateStreamRequest(
                session_id=await running.session(), query="写一段开场"
            )
            async with connected(running.server.port, initial_window_size=0) as client:
                await client.call(METHOD, request.SerializeToString())
                async with asyncio.timeout(5):
                    while not admission.running:
                        await asyncio.sleep(0.001)
                await until_idle(running.server)
                client.vanish()
            async with asyncio.timeout(5):
                while admission.running:
                    await asyncio.sleep(0.001)
        assert await running.session(), "the process still answers"
    assert "ExecuteBatchError" in unfiltered.getvalue(), "gRPC says nothing of it any more"
    assert "ExecuteBatchError" not in told.getvalue()
    ended = [line for line in told.getvalue().splitlines() if METHOD in line]
    assert len(ended) == 5
    assert all("code=CANCELLED" in line and "peer=ipv4:127.0.0.1:" in line for line in ended)
