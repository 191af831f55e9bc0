"""Paging through a long log while others append to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM

from .backends import Backend
from .samples import KEY, chain, record

RECORDS: Final = {"memory": 10_000, "sqlite": 10_000}


async def test_pages_are_complete_and_ordered_while_others_append(backend: Backend) -> None:
    count = RECORDS.get(backend.name, 2_000)
    prev = GENESIS_CHECKSUM
    for version in range(1, count + 1):
        each = record(version, prev=prev, request_id=f"request-{version}", state=b"{}")
        await backend.checkpoints.append(each, version - 1)
        prev = each.checksum

    async def keep_appending() -> None:
        version, last = count, prev
        while True:
            version += 1
            each = record(version, prev=last, state=b"{}")
            await backend.other.checkpoints.append(each, version - 1)
            last = each.checksum
            await asyncio.sleep(0)

    appending = asyncio.create_task(keep_appending())
    try:
        versions: list[int] = []
        before: int | None = count + 1
        while page := await backend.checkpoints.list(KEY, page_size=173, before_version=before):
            versions += [header.version for header, _ in page]
            before = versions[-1]
            await asyncio.sleep(0)
        assert versions == list(range(count, 0, -1))
        newest = await backend.checkpoints.latest(KEY)
        assert newest is not None
        assert newest.version > count  # there really were writes meanwhile
    finally:
        appending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await appending
    walked = [each.version async for each in backend.checkpoints.walk(KEY)]
    assert walked == list(range(1, len(walked) + 1))
    assert len(walked) > count


async def test_a_page_begins_below_the_given_version(backend: Backend) -> None:
    for version, each in enumerate(chain(9)):
        await backend.checkpoints.append(each, version)

    async def versions(page_size: int, before: int | None) -> list[int]:
        page = await backend.checkpoints.list(KEY, page_size=page_size, before_version=before)
        return [header.version for header, _ in page]

    assert await versions(4, None) == [9, 8, 7, 6]
    assert await versions(4, 6) == [5, 4, 3, 2]
    assert await versions(4, 2) == [1]
    assert await versions(4, 1) == []
    assert await versions(4, 99) == [9, 8, 7, 6]
    assert await versions(100, None) == [9, 8, 7, 6, 5, 4, 3, 2, 1]


async def test_listed_headers_are_whole(backend: Backend) -> None:
    records = chain(3)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    listed = await backend.checkpoints.list(KEY, page_size=10)
    assert list(listed) == [(each.header, each.checksum) for each in reversed(records)]
