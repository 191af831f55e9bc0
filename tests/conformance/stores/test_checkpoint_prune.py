"""What a log may lose: its oldest records, never the tail that an unfinished request needs."""

from __future__ import annotations

import pytest

from scriptgen.domain.checkpoint import CheckpointStatus as Status
from scriptgen.domain.errors import VersionConflictError
from scriptgen.stores.retention import Retention

from .backends import Backend, Factory
from .samples import KEY, chain, record


async def versions(backend: Backend) -> list[int]:
    return [each.version async for each in backend.checkpoints.walk(KEY)]


@pytest.mark.parametrize(
    ("statuses", "keep", "left"),
    [
        ([Status.COMPLETED] * 6, 2, [5, 6]),
        ([Status.COMPLETED] * 6, 6, [1, 2, 3, 4, 5, 6]),
        ([Status.COMPLETED] * 6, 99, [1, 2, 3, 4, 5, 6]),
        ([Status.COMPLETED, Status.FAILED, Status.ACCEPTED, Status.RUNNING, Status.RESUMED], 1, [3, 4, 5]),
        ([Status.COMPLETED, Status.CANCELLED, Status.ACCEPTED], 2, [2, 3]),
        ([Status.ACCEPTED, Status.RUNNING, Status.RESUMED], 1, [1, 2, 3]),
        ([Status.ACCEPTED, Status.RUNNING, Status.CLARIFYING], 1, [3]),
    ],
)
async def test_pruning_keeps_the_newest_and_every_unfinished_tail(
    backend: Backend, statuses: list[Status], keep: int, left: list[int]
) -> None:
    records = chain(statuses)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    assert await backend.checkpoints.prune(KEY, keep) == len(records) - len(left)
    assert await versions(backend) == left
    assert await backend.checkpoints.prune(KEY, keep) == 0


async def test_a_pruned_log_goes_on_where_it_was(backend: Backend) -> None:
    records = chain(5)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    await backend.checkpoints.prune(KEY, 2)
    with pytest.raises(VersionConflictError):
        await backend.checkpoints.append(record(1), 0)
    await backend.checkpoints.append(record(6, prev=records[4].checksum, request_id="request-6"), 5)
    assert await versions(backend) == [4, 5, 6]
    assert await backend.checkpoints.get(KEY, 3) is None
    assert await backend.checkpoints.find_request(KEY, "request-3") is None
    assert await backend.checkpoints.find_request(KEY, "request-4") == records[3]
    listed = await backend.checkpoints.list(KEY, page_size=10)
    assert [header.version for header, _ in listed] == [6, 5, 4]


async def test_verification_can_start_at_the_oldest_record_kept(backend: Backend) -> None:
    records = chain(5)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    await backend.checkpoints.prune(KEY, 2)
    walked = [each async for each in backend.checkpoints.walk(KEY)]
    assert walked[0].header.prev_checksum == records[2].checksum
    assert all(each.intact() for each in walked)


async def test_pruning_everything_is_refused(backend: Backend) -> None:
    await backend.checkpoints.append(record(1), 0)
    with pytest.raises(ValueError, match="keep"):
        await backend.checkpoints.prune(KEY, 0)
    assert await versions(backend) == [1]


async def test_a_finished_request_drops_what_is_beyond_the_retention(factory: Factory) -> None:
    async with factory(Retention(max_checkpoints=3)) as backend:
        statuses = [Status.COMPLETED] * 5 + [Status.ACCEPTED] + [Status.RUNNING] * 3
        records = chain(statuses)
        for version, each in enumerate(records):
            await backend.checkpoints.append(each, version)
        assert await versions(backend) == [3, 4, 5, 6, 7, 8, 9]  # the open request keeps all of its records
        await backend.checkpoints.append(record(10, prev=records[-1].checksum), 9)
        assert await versions(backend) == [8, 9, 10]
        assert await backend.checkpoints.find_request(KEY, "request-7") is None
