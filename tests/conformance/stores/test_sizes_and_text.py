"""Edges of size and text: a megabyte of state, every kind of character, extreme numbers."""

from __future__ import annotations

import random

import pytest

from scriptgen.domain.component import ComponentState
from scriptgen.domain.session import SessionKey
from scriptgen.stores.protocols import SessionFilter

from .backends import Backend
from .samples import new_session, next_write, record

TEXTS = [
    "姐妹们🌹👩‍👩‍👧‍👦冲",
    "مرحبا \u202eright to left",
    "nul\x00byte",
    "line\r\nbreak\ttab\x7f",
    "quotes ' \" ; DROP TABLE sessions; --",
    "{braces}:colons%25",
    "e\u0301\ufe0f\u200b",
    "\U0010ffff\uffff",
    "長" * 4_000,
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_every_text_comes_back_unchanged(backend: Backend, text: str) -> None:
    key = SessionKey(text[:100], text[-100:])
    session = new_session(key, summary=text, user_id=text)
    await backend.sessions.create(session)
    assert await backend.sessions.load(key) == session
    page = await backend.sessions.list(key.tenant_id, _only(text), page_size=1)
    assert page.heads == (session.head,)
    stored = record(1, key=key, request_id=text, state=text.encode())
    await backend.checkpoints.append(stored, 0, session=next_write(session.head, summary=text + "!"))
    assert await backend.checkpoints.open(key, text) == await backend.other.checkpoints.open(key, text)
    assert await backend.checkpoints.find_request(key, text) == stored


async def test_a_state_of_a_megabyte_fits(backend: Backend) -> None:
    noise = random.Random(7).randbytes(1_000_000)
    stored = record(1, state=noise)
    await backend.checkpoints.append(stored, 0)
    assert await backend.checkpoints.latest(stored.key) == stored
    listed = await backend.checkpoints.list(stored.key, page_size=1)
    assert list(listed) == [(stored.header, stored.checksum)]


async def test_an_empty_state_is_a_state(backend: Backend) -> None:
    stored = record(1, state=b"")
    await backend.checkpoints.append(stored, 0)
    assert await backend.checkpoints.latest(stored.key) == stored


async def test_times_keep_their_microseconds(backend: Backend) -> None:
    now = 1_790_000_000_123_457
    for number in range(3):
        await backend.sessions.create(new_session(SessionKey("t", f"s{number}"), create_time=now + number))
    seen = []
    cursor = ""
    for _ in range(3):
        page = await backend.sessions.list("t", _only(None), page_size=1, cursor=cursor)
        seen += [each.create_time for each in page.heads]
        cursor = page.next_cursor
    assert seen == [now + 2, now + 1, now]
    assert cursor == ""


async def test_a_session_larger_than_any_row_limit_fits(backend: Backend) -> None:
    session = new_session(summary="长" * 300_000, turns=200)
    await backend.sessions.create(session)
    assert await backend.sessions.load(session.head.key) == session
    assert (await backend.sessions.load(session.head.key, turns=0)) == type(session)(session.head)


async def test_a_working_store_says_so(backend: Backend) -> None:
    for store, name in (
        (backend.sessions, "session_store"),
        (backend.checkpoints, "checkpoint_store"),
        (backend.profiles, "profile_store"),
    ):
        status = await store.status()
        assert (status.name, status.state) == (name, ComponentState.OK)
        assert status.backend == backend.name.partition("-")[0]


def _only(user_id: str | None) -> SessionFilter:
    return SessionFilter(user_id=user_id)
