"""Appending to the log: gapless versions, one winner, a repeated append is no second one."""

from __future__ import annotations

import asyncio

import pytest

from scriptgen.domain.checkpoint import CheckpointStatus
from scriptgen.domain.errors import VersionConflictError
from scriptgen.domain.session import SessionKey

from .backends import Backend
from .samples import KEY, chain, record


async def test_records_come_back_as_they_were_appended(backend: Backend) -> None:
    records = chain(3)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    assert await backend.other.checkpoints.latest(KEY) == records[2]
    assert [await backend.checkpoints.get(KEY, version) for version in (1, 2, 3)] == records
    assert [each async for each in backend.checkpoints.walk(KEY)] == records


async def test_an_empty_log_answers_with_nothing(backend: Backend) -> None:
    assert await backend.checkpoints.latest(KEY) is None
    assert await backend.checkpoints.get(KEY, 1) is None
    assert await backend.checkpoints.find_request(KEY, "request-1") is None
    assert list(await backend.checkpoints.list(KEY, page_size=10)) == []
    assert [each async for each in backend.checkpoints.walk(KEY)] == []
    assert await backend.checkpoints.prune(KEY, 1) == 0
    assert await backend.checkpoints.delete(KEY) == 0


@pytest.mark.parametrize(("version", "expected"), [(1, 0), (2, 1), (4, 3), (3, 3), (3, 1), (4, 2)])
async def test_only_the_very_next_version_is_taken(backend: Backend, version: int, expected: int) -> None:
    records = chain(2)
    for at, each in enumerate(records):
        await backend.checkpoints.append(each, at)
    with pytest.raises(VersionConflictError):
        await backend.checkpoints.append(record(version, request_id="other"), expected)
    assert [each async for each in backend.checkpoints.walk(KEY)] == records


async def test_an_append_whose_reply_was_lost_can_be_repeated(backend: Backend) -> None:
    records = chain(2)
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    await backend.other.checkpoints.append(records[1], 1)
    assert [each async for each in backend.checkpoints.walk(KEY)] == records
    with pytest.raises(VersionConflictError):
        await backend.checkpoints.append(records[0], 0)


async def test_of_two_writers_of_one_version_exactly_one_wins_every_time(backend: Backend) -> None:
    prev = "0" * 64
    for version in range(1, 21):
        rivals = [record(version, prev=prev, request_id=f"writer-{side}") for side in ("a", "b")]
        outcomes = await asyncio.gather(
            backend.checkpoints.append(rivals[0], version - 1),
            backend.other.checkpoints.append(rivals[1], version - 1),
            return_exceptions=True,
        )
        assert sorted(isinstance(outcome, VersionConflictError) for outcome in outcomes) == [False, True]
        winner = rivals[0] if outcomes[0] is None else rivals[1]
        assert await backend.checkpoints.latest(KEY) == winner
        prev = winner.checksum


async def test_a_takeover_refuses_the_stale_workers_next_append(backend: Backend) -> None:
    accepted = record(1, status=CheckpointStatus.ACCEPTED)
    await backend.checkpoints.append(accepted, 0)
    resumed = record(2, prev=accepted.checksum, status=CheckpointStatus.RESUMED)
    await backend.other.checkpoints.append(resumed, 1)
    with pytest.raises(VersionConflictError):
        await backend.checkpoints.append(record(2, prev=accepted.checksum), 1)
    assert await backend.checkpoints.latest(KEY) == resumed


async def test_the_newest_record_of_a_request_is_found(backend: Backend) -> None:
    records = [
        record(1, request_id="one", status=CheckpointStatus.ACCEPTED),
        record(2, request_id="one"),
        record(3, request_id="two"),
    ]
    for version, each in enumerate(records):
        await backend.checkpoints.append(each, version)
    assert await backend.checkpoints.find_request(KEY, "one") == records[1]
    assert await backend.checkpoints.find_request(KEY, "two") == records[2]
    assert await backend.checkpoints.find_request(KEY, "three") is None


async def test_logs_of_sessions_and_tenants_do_not_meet(backend: Backend) -> None:
    elsewhere = [SessionKey("tenant-b", KEY.session_id), SessionKey(KEY.tenant_id, "session-2")]
    for key in (KEY, *elsewhere):
        await backend.checkpoints.append(record(1, key=key), 0)
    assert await backend.checkpoints.delete(elsewhere[0]) == 1
    assert await backend.checkpoints.latest(elsewhere[0]) is None
    assert await backend.checkpoints.latest(KEY) == record(1)
    assert await backend.checkpoints.latest(elsewhere[1]) == record(1, key=elsewhere[1])


async def test_a_deleted_log_begins_again_at_one(backend: Backend) -> None:
    for version, each in enumerate(chain(3)):
        await backend.checkpoints.append(each, version)
    assert await backend.checkpoints.delete(KEY) == 3
    assert await backend.checkpoints.delete(KEY) == 0
    assert await backend.checkpoints.find_request(KEY, "request-3") is None
    await backend.checkpoints.append(record(1), 0)
    assert await backend.checkpoints.latest(KEY) == record(1)
