"""Session documents: what is stored comes back, what is deleted is gone, tenants do not meet."""

from __future__ import annotations

import pytest

from scriptgen.domain.errors import SessionExistsError
from scriptgen.domain.session import Session, SessionKey

from .backends import Backend
from .samples import KEY, head, new_session, next_write, script


async def test_a_session_comes_back_as_it_was_stored(backend: Backend) -> None:
    session = new_session(turns=3, user_id="user-1")
    await backend.sessions.create(session)
    assert await backend.sessions.load(KEY) == session
    assert await backend.other.sessions.load(KEY) == session


async def test_an_absent_session_is_none(backend: Backend) -> None:
    assert await backend.sessions.load(KEY) is None
    assert await backend.sessions.load(KEY, turns=5) is None


async def test_an_id_can_be_taken_only_once_in_a_tenant(backend: Backend) -> None:
    await backend.sessions.create(new_session(category="美妆"))
    with pytest.raises(SessionExistsError):
        await backend.other.sessions.create(new_session(category="食品", turns=2))
    assert await backend.sessions.load(KEY) == new_session(category="美妆")


async def test_the_same_id_in_two_tenants_is_two_sessions(backend: Backend) -> None:
    elsewhere = SessionKey("tenant-b", KEY.session_id)
    await backend.sessions.create(new_session(category="美妆", turns=1))
    await backend.sessions.create(new_session(elsewhere, category="食品"))
    assert (await _loaded(backend, elsewhere)).head.category == "食品"
    assert (await _loaded(backend, elsewhere)).turns == ()
    assert await backend.sessions.delete(elsewhere)
    assert (await _loaded(backend, KEY)).head.category == "美妆"


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (SessionKey("a:b", "c"), SessionKey("a", "b:c")),
        (SessionKey("a}", "{b"), SessionKey("a", "}{b")),
        (SessionKey("{a}", "b"), SessionKey("a", "b")),
        (SessionKey("a%3Ab", "c"), SessionKey("a:b", "c")),
        (SessionKey("a", "b/c"), SessionKey("a/b", "c")),
    ],
)
async def test_ids_with_separators_cannot_reach_another_tenant(
    backend: Backend, one: SessionKey, two: SessionKey
) -> None:
    await backend.sessions.create(new_session(one, category="美妆", turns=1))
    assert await backend.sessions.load(two) is None
    await backend.sessions.create(new_session(two, category="食品"))
    assert (await _loaded(backend, one)).head.category == "美妆"
    assert await backend.sessions.delete(two)
    assert (await _loaded(backend, one)).turns == new_session(one, turns=1).turns


async def test_only_the_newest_turns_are_loaded_with_their_scripts(backend: Backend) -> None:
    session = new_session(turns=10)
    await backend.sessions.create(session)
    newest = await backend.sessions.load(KEY, turns=3)
    assert newest == Session(session.head, session.turns[-3:], session.scripts[-3:])
    assert await backend.sessions.load(KEY, turns=0) == Session(session.head)
    assert await backend.sessions.load(KEY, turns=10) == session
    assert await backend.sessions.load(KEY, turns=99) == session


async def test_a_script_that_is_there_already_is_replaced_in_its_place(backend: Backend) -> None:
    await backend.sessions.create(new_session(turns=3))
    write = next_write(head())
    adopted = script(1, "改过的话术")
    await backend.sessions.save(type(write)(write.head, write.expected_revision, scripts=(adopted,)))
    scripts = (await _loaded(backend, KEY)).scripts
    assert scripts == (script(0), adopted, script(2))


async def test_a_deleted_session_is_gone_with_its_turns(backend: Backend) -> None:
    await backend.sessions.create(new_session(turns=2))
    assert await backend.other.sessions.delete(KEY)
    assert not await backend.sessions.delete(KEY)
    assert await backend.sessions.load(KEY) is None
    await backend.sessions.create(new_session())
    assert await backend.sessions.load(KEY) == new_session()


async def _loaded(backend: Backend, key: SessionKey) -> Session:
    session = await backend.sessions.load(key)
    assert session is not None
    return session
