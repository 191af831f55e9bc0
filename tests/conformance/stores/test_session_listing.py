"""Listing sessions: order, filters, tenants, and pages that stay whole while others write."""

from __future__ import annotations

import base64

import pytest
from msgspec.structs import replace

from scriptgen.domain.session import Influencer, SessionKey, SessionWrite
from scriptgen.stores.protocols import SessionFilter

from .backends import Backend
from .samples import head, new_session

EVERYTHING = SessionFilter()


def key(number: int, tenant: str = "tenant-a") -> SessionKey:
    return SessionKey(tenant, f"session-{number:04}")


async def ids(backend: Backend, where: SessionFilter = EVERYTHING, *, page_size: int = 100) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = await backend.sessions.list("tenant-a", where, page_size=page_size, cursor=cursor)
        assert len(page.heads) <= page_size
        found += [each.session_id for each in page.heads]
        assert len(found) == len(set(found))
        if not page.next_cursor:
            return found
        assert len(page.heads) == page_size
        cursor = page.next_cursor


async def test_the_newest_come_first_and_equal_times_are_ordered_by_id(backend: Backend) -> None:
    for number, create_time in ((1, 10), (2, 30), (3, 20), (5, 20), (4, 20)):
        await backend.sessions.create(new_session(key(number), create_time=create_time))
    for page_size in (1, 2, 5, 100):
        found = await ids(backend, page_size=page_size)
        assert found == [key(number).session_id for number in (2, 5, 4, 3, 1)]


async def test_an_unknown_tenant_has_no_sessions(backend: Backend) -> None:
    page = await backend.sessions.list("nobody", EVERYTHING, page_size=10)
    assert page.heads == ()
    assert page.next_cursor == ""


async def test_a_listing_never_shows_another_tenants_sessions(backend: Backend) -> None:
    await backend.sessions.create(new_session(key(1)))
    for other in ("tenant-b", "tenant-a:x", "tenant", "{tenant-a}"):
        await backend.sessions.create(new_session(key(2, other)))
    assert await ids(backend) == [key(1).session_id]


async def test_filters_combine(backend: Backend) -> None:
    for number in range(24):
        fields = {
            "user_id": ("", "user-1", "user-2")[number % 3],
            "category": ("美妆", "食品")[number % 2],
            "influencer": Influencer(name=("李姐", "王哥")[number // 12]),
            "create_time": number,
        }
        await backend.sessions.create(new_session(key(number), **fields))  # type: ignore[arg-type]

    def expected(
        *, users: tuple[int, ...], category: int | None = None, half: int | None = None
    ) -> list[str]:
        return [
            key(n).session_id
            for n in reversed(range(24))
            if n % 3 in users and category in {None, n % 2} and half in {None, n // 12}
        ]

    assert await ids(backend, SessionFilter(), page_size=5) == expected(users=(0, 1, 2))
    assert await ids(backend, SessionFilter(user_id=""), page_size=5) == expected(users=(0,))
    assert await ids(backend, SessionFilter(user_id="user-1"), page_size=5) == expected(users=(0, 1))
    where = SessionFilter(user_id="user-2", category="食品", influencer_name="王哥")
    assert await ids(backend, where, page_size=2) == expected(users=(0, 2), category=1, half=1)
    assert await ids(backend, SessionFilter(category="数码")) == []


async def test_a_filter_that_few_sessions_pass_still_fills_its_pages(backend: Backend) -> None:
    for number in range(2_300):
        category = "珠宝" if number % 1_000 == 7 else "美妆"
        await backend.sessions.create(new_session(key(number), create_time=number, category=category))
    found = await ids(backend, SessionFilter(category="珠宝"), page_size=2)
    assert found == [key(2_007).session_id, key(1_007).session_id, key(7).session_id]


async def test_pages_neither_repeat_nor_skip_while_others_create_save_and_delete(backend: Backend) -> None:
    for number in range(100):
        await backend.sessions.create(new_session(key(number), create_time=number))
    seen: list[str] = []
    cursor, turn = "", 0
    while True:
        page = await backend.sessions.list("tenant-a", EVERYTHING, page_size=7, cursor=cursor)
        seen += [each.session_id for each in page.heads]
        if not page.next_cursor:
            break
        cursor = page.next_cursor
        await backend.other.sessions.create(new_session(key(1_000 + turn), create_time=1_000 + turn))
        await backend.other.sessions.delete(page.heads[-1].key)  # the very one the cursor stands on
        oldest = head(key(0), create_time=0, revision=turn + 1)
        await backend.other.sessions.save(SessionWrite(replace(oldest, revision=turn + 2), turn + 1))
        turn += 1
    assert seen == [key(number).session_id for number in reversed(range(100))]


async def test_a_saved_head_shows_in_the_listing_and_in_its_filters(backend: Backend) -> None:
    await backend.sessions.create(new_session(key(1), category="美妆"))
    await backend.sessions.save(SessionWrite(head(key(1), revision=2, category="食品"), 1))
    page = await backend.sessions.list("tenant-a", SessionFilter(category="食品"), page_size=10)
    assert [each.revision for each in page.heads] == [2]
    assert await ids(backend, SessionFilter(category="美妆")) == []


@pytest.mark.parametrize(
    "cursor", ["!", "abc", "中文", base64.urlsafe_b64encode(b'["x",1]').decode(), "WzFd", "W10="]
)
async def test_a_foreign_cursor_is_refused(backend: Backend, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await backend.sessions.list("tenant-a", EVERYTHING, page_size=10, cursor=cursor)
