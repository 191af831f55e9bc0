"""Sessions as callers may see them: visibility, roll-forward on every way in, forks, and proof of the log."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointHeader
from scriptgen.domain.errors import (
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    RevisionConflictError,
)
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import Influencer, Product, SessionKey, SessionWrite
from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.stores.memory import MemorySessionStore
from scriptgen.workflow.sessions import SessionChange

from .kit import LIPSTICK, TENANT, Kit, running

QUERIES = ("写一段开场话术", "写一段产品介绍", "写一段下播话术")


async def conversation(kit: Kit, *queries: str) -> SessionKey:
    key = await kit.session()
    for query in queries:
        await kit.generate(key, query)
    return key


async def forget_newest_turn(kit: Kit, key: SessionKey, turns: int) -> None:
    """Put the session back to what a crash between log and session leaves: the record without its turn."""
    session = await kit.app.sessions.get(key, TENANT)
    store = kit.app.stores.sessions
    assert isinstance(store, MemorySessionStore)
    kept = session.turns[:turns]
    applied = [record.version for record in await kit.records(key) if record.header.status.terminal]
    head = replace(
        session.head,
        turn_count=turns,
        script_count=turns,
        applied_version=applied[turns - 1] if turns else 0,
        last_status=GenerationStatus.COMPLETED if turns else None,
    )
    await store.delete(key)
    scripts = tuple(script for script in session.scripts if script.turn_index < turns)
    await store.create(replace(session, head=head, turns=kept, scripts=scripts))


@pytest.mark.parametrize("way", ["get", "open", "update", "generate", "adopt", "fork"])
async def test_every_way_in_first_adds_a_turn_that_is_recorded_but_missing(way: str) -> None:
    async with running(template_pace_seconds=0) as kit:
        sessions = kit.app.sessions
        key = await conversation(kit, *QUERIES[:2])
        whole = await sessions.get(key, TENANT)
        records = len(await kit.records(key))
        await _without_its_log(kit, key)
        match way:
            case "get":
                await sessions.get(key, TENANT)
            case "open":
                await sessions.open(key, TENANT, None)
            case "update":
                await sessions.update(key, TENANT, SessionChange(category="个护"), 0)
            case "generate":
                await kit.generate(key, QUERIES[2])
            case "adopt":
                await sessions.adopt(key, TENANT, whole.scripts[1].script_id)
            case _:
                fork = await sessions.fork(key, TENANT, records, "fork-0001")
                assert [turn.query for turn in fork.turns] == list(QUERIES[:2])
        stored = await kit.app.stores.sessions.load(key)
        assert stored is not None
        expected = QUERIES if way == "generate" else QUERIES[:2]
        assert [turn.query for turn in stored.turns] == list(expected)
        assert stored.turns[:2] == whole.turns
        assert [replace(script, adopted=False) for script in stored.scripts[:2]] == list(whole.scripts)
        assert stored.head.category == ("个护" if way == "update" else "美妆")


async def _without_its_log(kit: Kit, key: SessionKey) -> None:
    """`forget_newest_turn` while the log, which memory keeps with the session, stays."""
    checkpoints = kit.app.stores.checkpoints
    records = await kit.records(key)
    await forget_newest_turn(kit, key, 1)
    await checkpoints.delete(key)
    for record in records:
        await checkpoints.append(record, record.version - 1)


async def test_a_roll_forward_keeps_an_update_that_came_between_and_happens_once() -> None:
    async with running(template_pace_seconds=0) as kit:
        sessions, store = kit.app.sessions, kit.app.stores.sessions
        key = await conversation(kit, *QUERIES[:2])
        await _without_its_log(kit, key)
        stale = await store.load(key, turns=0)
        assert stale is not None
        changed = replace(
            stale.head,
            revision=stale.head.revision + 1,
            influencer=Influencer(name="阿泽"),
            product=Product(name="曲奇饼干"),
        )
        await store.save(SessionWrite(changed, stale.head.revision))
        once = await sessions.get(key, TENANT)
        twice = await sessions.get(key, TENANT)
        assert once == twice
        assert (once.head.influencer.name, once.head.product.name) == ("阿泽", "曲奇饼干")
        assert (once.head.revision, once.head.turn_count) == (changed.revision + 1, 2)


async def test_a_session_of_somebody_else_answers_like_an_absent_one() -> None:
    anna = Principal(tenant_id="tenant_test", user_id="anna")
    async with running(template_pace_seconds=0) as kit:
        sessions = kit.app.sessions
        key = await kit.session(principal=anna)
        absent = replace(key, session_id="ses_absent")
        berta = replace(anna, user_id="berta")
        foreign = Principal(tenant_id="tenant_other")
        messages = set()
        for where, who in (
            (key, berta),
            (absent, anna),
            (SessionKey("tenant_other", key.session_id), foreign),
        ):
            for call in (
                sessions.get(where, who),
                sessions.open(where, who, None),
                sessions.update(where, who, SessionChange(category="个护"), 0),
                sessions.delete(where, who),
                sessions.adopt(where, who, "scr_1"),
                sessions.fork(where, who, 1, "fork-0001"),
                sessions.checkpoint(where, who, 1),
                sessions.latest_checkpoint(where, who),
                sessions.checkpoints(where, who, page_size=1, before_version=None),
                sessions.verify(where, who),
                kit.app.orchestrator.cancel(where, "request-0001", who),
            ):
                with pytest.raises(NotFoundError) as caught:
                    await call
                messages.add((caught.value.reason, caught.value.message))
        assert len(messages) == 1
        assert (await sessions.get(key, anna)).head.user_id == "anna"


async def test_a_repeated_create_finds_its_session_and_another_content_is_refused() -> None:
    async with running() as kit:
        one = await kit.session(request_id="create-0001")
        assert await kit.session(request_id="create-0001") == one
        with pytest.raises(FailedPreconditionError) as caught:
            await kit.session(request_id="create-0001", category="图书")
        assert caught.value.reason == "REQUEST_ID_REUSED"
        assert await kit.session() != await kit.session()


async def test_an_update_compares_its_revision_and_needs_the_category() -> None:
    limited = replace(TENANT, allowed_categories=frozenset({"美妆"}))
    async with running() as kit:
        key, sessions = await kit.session(), kit.app.sessions
        after = await sessions.update(key, TENANT, SessionChange(product=Product(name="牙膏")), 1)
        assert (after.revision, after.product.name, after.category) == (2, "牙膏", "美妆")
        with pytest.raises(RevisionConflictError) as caught:
            await sessions.update(key, TENANT, SessionChange(category="个护"), 1)
        assert caught.value.metadata == {"revision": "2"}
        with pytest.raises(PermissionDeniedError):
            await sessions.update(key, limited, SessionChange(category="个护"), 0)
        assert (await sessions.get(key, TENANT)).head.revision == 2


async def test_a_fork_stands_as_the_session_stood_at_any_of_its_records() -> None:
    async with running(template_pace_seconds=0) as kit:
        key, sessions = await conversation(kit, *QUERIES), kit.app.sessions
        source = await sessions.get(key, TENANT)
        headers: list[CheckpointHeader] = [record.header for record in await kit.records(key)]
        for header in headers:
            ended = sum(h.status.terminal for h in headers if h.version <= header.version)
            fork = await sessions.fork(key, TENANT, header.version, "")
            assert fork.turns == source.turns[:ended]
            assert fork.scripts == source.scripts[:ended]
            assert (fork.head.turn_count, fork.head.script_count) == (ended, ended)
            assert (fork.head.product, fork.head.applied_version) == (LIPSTICK, 0)
        again = await sessions.fork(key, TENANT, 3, "fork-0001")
        assert (await sessions.fork(key, TENANT, 3, "fork-0001")).head.key == again.head.key
        result = await kit.generate(again.head.key, "再来一段")
        assert (result.scripts[0].version, result.checkpoint_version) == (2, 3)
        assert len((await sessions.get(key, TENANT)).turns) == 3, "the source stays as it was"


async def test_a_fork_from_where_the_log_was_pruned_is_refused_instead_of_empty() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await conversation(kit, *QUERIES)
        await kit.app.stores.checkpoints.prune(key, 3)
        kept = [record.version for record in await kit.records(key)]
        assert kept == [7, 8, 9]
        with pytest.raises(NotFoundError) as caught:
            await kit.app.sessions.fork(key, TENANT, 7, "")
        assert caught.value.reason == "CHECKPOINT_NOT_FOUND"
        assert len((await kit.app.sessions.fork(key, TENANT, 9, "")).turns) == 3


async def test_a_pruned_chain_still_verifies_from_its_oldest_record() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await conversation(kit, *QUERIES)
        await kit.app.stores.checkpoints.prune(key, 4)
        verdict = await kit.app.sessions.verify(key, TENANT)
        assert (verdict.valid, verdict.checked) == (True, 4)


async def test_deleting_a_session_deletes_its_log() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await conversation(kit, QUERIES[0])
        await kit.app.sessions.delete(key, TENANT)
        assert await kit.records(key) == []
        with pytest.raises(NotFoundError):
            await kit.app.sessions.delete(key, TENANT)


async def test_adopting_twice_changes_the_session_once() -> None:
    async with running(template_pace_seconds=0) as kit:
        key, sessions = await conversation(kit, QUERIES[0]), kit.app.sessions
        script_id = (await sessions.get(key, TENANT)).scripts[0].script_id
        script, _, newly = await sessions.adopt(key, TENANT, script_id)
        assert (script.adopted, newly) == (True, True)
        revision = (await sessions.get(key, TENANT)).head.revision
        assert (await sessions.adopt(key, TENANT, script_id))[2] is False
        assert (await sessions.get(key, TENANT)).head.revision == revision
        with pytest.raises(NotFoundError) as caught:
            await sessions.adopt(key, TENANT, "scr_none")
        assert caught.value.reason == "SCRIPT_NOT_FOUND"
