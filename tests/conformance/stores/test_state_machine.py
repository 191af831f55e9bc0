"""Random histories: every store must do what a dict would, whatever the order of calls, right or wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointRecord, CheckpointStatus
from scriptgen.domain.errors import (
    NotFoundError,
    RevisionConflictError,
    SessionExistsError,
    VersionConflictError,
)
from scriptgen.domain.session import Session, SessionHead, SessionKey, SessionWrite
from scriptgen.stores.protocols import SessionFilter
from scriptgen.stores.retention import Retention

from .backends import Backend, Factory
from .samples import head, record, script, turn

T = TypeVar("T")

KEYS = [SessionKey("甲", "1"), SessionKey("甲", "2"), SessionKey("乙", "1"), SessionKey("{甲}:", "1")]
RETENTION = Retention(max_turns=3, max_checkpoints=4)
EXAMPLES = {"memory": 60, "sqlite": 15, "redis": 15, "redis-cluster": 10}

keys = st.sampled_from(KEYS)
statuses = st.sampled_from([CheckpointStatus.RUNNING, CheckpointStatus.ACCEPTED, CheckpointStatus.COMPLETED])
#: How far a writer's idea of the newest version or revision is off.
staleness = st.sampled_from([0, 0, 0, 0, -1, 1])


class StoresLikeDicts(RuleBasedStateMachine):
    factory: ClassVar[Factory]

    def __init__(self) -> None:
        super().__init__()
        self.sessions: dict[SessionKey, Session] = {}
        self.logs: dict[SessionKey, list[CheckpointRecord]] = {}
        self.writes = 0
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.backend: Backend = self.run(
            lambda: self.stack.enter_async_context(type(self).factory(RETENTION))
        )

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        async def called() -> T:
            return await call()

        return self.runner.run(called())

    def teardown(self) -> None:
        self.run(self.stack.aclose)
        self.runner.close()

    # What a dict would do -----------------------------------------------------------------------------

    def write(self, key: SessionKey, stale: int, adds: int) -> SessionWrite:
        self.writes += 1
        stored = self.sessions.get(key)
        revision = max(1, (stored.head.revision if stored else 1) + stale)
        after = head(key, revision=revision + 1, create_time=1, summary=f"write {self.writes}")
        start = stored.turns[-1].turn_index + 1 if stored and stored.turns else 0
        indices = range(start, start + adds)
        return SessionWrite(after, revision, tuple(map(turn, indices)), tuple(map(script, indices)))

    def save_error(self, write: SessionWrite) -> type[Exception] | None:
        stored = self.sessions.get(write.head.key)
        if stored is None:
            return NotFoundError
        return None if stored.head.revision == write.expected_revision else RevisionConflictError

    def apply(self, write: SessionWrite) -> None:
        stored = self.sessions[write.head.key]
        turns = (*stored.turns, *write.turns)[-RETENTION.max_turns :]
        first = turns[0].turn_index if turns else 0
        scripts = tuple(each for each in (*stored.scripts, *write.scripts) if each.turn_index >= first)
        self.sessions[write.head.key] = Session(write.head, turns, scripts)

    def append_to_model(self, each: CheckpointRecord) -> None:
        log = [*self.logs.get(each.key, []), each]
        self.logs[each.key] = log[-RETENTION.max_checkpoints :] if each.header.status.terminal else log

    # What is tried ------------------------------------------------------------------------------------

    @rule(key=keys, turns=st.integers(0, 5))
    def create(self, key: SessionKey, turns: int) -> None:
        self.writes += 1
        created = Session(
            head(key, create_time=1, summary=f"write {self.writes}"),
            tuple(map(turn, range(turns))),
            tuple(map(script, range(turns))),
        )
        error = SessionExistsError if key in self.sessions else None
        self.expect(error, lambda: self.backend.sessions.create(created))
        if error is None:
            self.sessions[key] = Session(created.head)
            self.apply(SessionWrite(created.head, 0, created.turns, created.scripts))

    @rule(key=keys, stale=staleness, adds=st.integers(0, 2), again=st.booleans())
    def save(self, key: SessionKey, stale: int, adds: int, again: bool) -> None:
        write = self.write(key, stale, adds)
        error = self.save_error(write)
        self.expect(error, lambda: self.backend.sessions.save(write))
        if error is None:
            self.apply(write)
            if again:
                self.expect(None, lambda: self.backend.other.sessions.save(write))

    @rule(
        key=keys,
        stale=staleness,
        status=statuses,
        with_session=st.booleans(),
        again=st.booleans(),
        data=st.data(),
    )
    def append(
        self,
        key: SessionKey,
        stale: int,
        status: CheckpointStatus,
        with_session: bool,
        again: bool,
        data: st.DataObject,
    ) -> None:
        self.writes += 1
        log = self.logs.get(key, [])
        newest = log[-1].version if log else 0
        expected = max(0, newest + stale)
        each = record(
            expected + 1,
            key=key,
            prev=log[-1].checksum if log else GENESIS_CHECKSUM,
            status=status,
            request_id=f"request-{self.writes // 3}",
            state=str(self.writes).encode(),
        )
        write = self.write(key, data.draw(staleness), 1) if with_session else None
        version_error = VersionConflictError if expected != newest else None
        session_error = self.save_error(write) if write else None
        both = tuple(kind for kind in (version_error, session_error) if kind is not None)
        self.expect(both or None, lambda: self.backend.checkpoints.append(each, expected, session=write))
        if not both:
            self.append_to_model(each)
            if write:
                self.apply(write)
            if again:
                self.expect(None, lambda: self.backend.checkpoints.append(each, expected, session=write))

    @rule(key=keys, keep=st.integers(1, 3))
    def prune(self, key: SessionKey, keep: int) -> None:
        log = self.logs.get(key, [])
        terminal = [at for at, each in enumerate(log) if each.header.status.terminal]
        drop = max(0, min(len(log) - keep, terminal[-1] + 1)) if terminal else 0
        assert self.run(lambda: self.backend.checkpoints.prune(key, keep)) == drop
        if key in self.logs:
            self.logs[key] = log[drop:]

    @rule(key=keys)
    def delete_session(self, key: SessionKey) -> None:
        there = self.sessions.pop(key, None) is not None
        assert self.run(lambda: self.backend.sessions.delete(key)) is there

    @rule(key=keys)
    def delete_log(self, key: SessionKey) -> None:
        assert self.run(lambda: self.backend.checkpoints.delete(key)) == len(self.logs.pop(key, []))

    def expect(
        self, error: type[Exception] | tuple[type[Exception], ...] | None, call: Callable[[], Awaitable[None]]
    ) -> None:
        if error is None:
            self.run(call)
        else:
            with pytest.raises(error):
                self.run(call)

    # What must hold -----------------------------------------------------------------------------------

    @invariant()
    def everything_reads_as_in_the_dicts(self) -> None:
        self.run(self.compare)

    async def compare(self) -> None:
        store, log_store = self.backend.other.sessions, self.backend.other.checkpoints
        for key in KEYS:
            assert await store.load(key) == self.sessions.get(key)
            newest = await store.load(key, turns=1)
            if newest is not None:
                assert newest.turns == self.sessions[key].turns[-1:]
            log = self.logs.get(key, [])
            assert [each async for each in log_store.walk(key)] == log
            assert await log_store.latest(key) == (log[-1] if log else None)
            listed = await log_store.list(key, page_size=2)
            assert list(listed) == [(each.header, each.checksum) for each in log[::-1][:2]]
            for request_id in {each.header.request_id for each in log} | {"request-0"}:
                mine = [each for each in log if each.header.request_id == request_id]
                found = await log_store.find_request(key, request_id)
                assert found == (mine[-1] if mine else None)
        for tenant in {key.tenant_id for key in KEYS}:
            page = await store.list(tenant, SessionFilter(), page_size=10)
            mine_too = [
                self.sessions[key].head for key in KEYS if key.tenant_id == tenant and key in self.sessions
            ]
            assert sorted(page.heads, key=_id) == sorted(mine_too, key=_id)


def _id(each: SessionHead) -> str:
    return each.session_id


def test_any_history_reads_as_it_would_from_a_dict(factory: Factory, request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["factory"]
    machine = type("Machine", (StoresLikeDicts,), {"factory": staticmethod(factory)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES[name],
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
