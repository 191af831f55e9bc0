"""Style profiles: compare and set by revision, one for each tenant and influencer."""

from __future__ import annotations

import asyncio

import pytest

from scriptgen.domain.errors import RevisionConflictError
from scriptgen.domain.profile import StyleProfile

from .backends import Backend


def profile(revision: int, tone: str = "活泼") -> StyleProfile:
    return StyleProfile("李姐", tone, catchphrases=("家人们", "冲🌹"), samples=3, revision=revision)


async def test_a_profile_comes_back_as_it_was_put(backend: Backend) -> None:
    assert await backend.profiles.get("tenant-a", "李姐") is None
    await backend.profiles.put("tenant-a", "李姐", profile(1), 0)
    await backend.profiles.put("tenant-a", "李姐", profile(2, "温柔"), 1)
    assert await backend.other.profiles.get("tenant-a", "李姐") == profile(2, "温柔")


async def test_tenants_and_names_do_not_meet(backend: Backend) -> None:
    places = [
        ("tenant-a", "李姐"),
        ("tenant-b", "李姐"),
        ("tenant-a", "王哥"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("{a}", ""),
    ]
    for number, (tenant, influencer) in enumerate(places):
        await backend.profiles.put(tenant, influencer, profile(1, str(number)), 0)
    for number, (tenant, influencer) in enumerate(places):
        assert await backend.profiles.get(tenant, influencer) == profile(1, str(number))


@pytest.mark.parametrize("expected", [0, 2])
async def test_a_stale_profile_is_refused(backend: Backend, expected: int) -> None:
    await backend.profiles.put("tenant-a", "李姐", profile(1), 0)
    with pytest.raises(RevisionConflictError):
        await backend.profiles.put("tenant-a", "李姐", profile(expected + 1, "高端"), expected)
    assert await backend.profiles.get("tenant-a", "李姐") == profile(1)


async def test_a_put_whose_reply_was_lost_can_be_repeated(backend: Backend) -> None:
    await backend.profiles.put("tenant-a", "李姐", profile(1), 0)
    await backend.other.profiles.put("tenant-a", "李姐", profile(1), 0)
    assert await backend.profiles.get("tenant-a", "李姐") == profile(1)


async def test_of_two_learners_exactly_one_wins(backend: Backend) -> None:
    outcomes = await asyncio.gather(
        backend.profiles.put("tenant-a", "李姐", profile(1, "甲"), 0),
        backend.other.profiles.put("tenant-a", "李姐", profile(1, "乙"), 0),
        return_exceptions=True,
    )
    assert sorted(isinstance(outcome, RevisionConflictError) for outcome in outcomes) == [False, True]


async def test_a_profile_must_count_its_revision_up_by_one(backend: Backend) -> None:
    with pytest.raises(ValueError, match="revision"):
        await backend.profiles.put("tenant-a", "李姐", profile(3), 1)
