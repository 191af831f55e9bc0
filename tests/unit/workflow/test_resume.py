"""What a request finds of itself when it comes again: an answer, an open end, a running generation, nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

import scriptgen.app
import scriptgen.model_path
from scriptgen.domain.checkpoint import CheckpointStatus
from scriptgen.domain.errors import (
    DrainingError,
    FailedPreconditionError,
    LLMUnavailableError,
    NotFoundError,
    PermissionDeniedError,
    ScriptgenError,
    StoreUnavailableError,
)
from scriptgen.domain.generation import GenerationRequest, GenerationResult, ResetReason, ScriptReset
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import SessionKey
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.state_stores import open_stores
from scriptgen.workflow import failpoint
from scriptgen.workflow.failpoint import Failpoints
from scriptgen.workflow.generation import CancelCause
from scriptgen.workflow.grant import Grant
from scriptgen.workflow.sessions import SessionChange
from scriptgen.workflow.stages import STAGES, StageSpec

from .kit import TENANT, Kit, request, running, shown_texts

QUERY = "写一段开场话术"
SPLIT: dict[str, Any] = {"session_store": "memory", "checkpoint_store": "sqlite"}


class Crash(BaseException):
    """Ends a generation's task as SIGKILL ends the process: nothing catches it."""


class CrashPoints(Failpoints):
    """Where the next generation crashes: `arm` sets it, `disarm` clears it."""

    def arm(self, specification: str) -> None:
        self.__init__(specification)  # type: ignore[misc]

    def disarm(self) -> None:
        self.arm("")


@contextmanager
def crash_points() -> Iterator[CrashPoints]:
    """The application built inside crashes in this process instead of being killed."""

    def crash(_pid: int, _signal: int) -> None:
        raise Crash

    points = CrashPoints()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(failpoint, "os", SimpleNamespace(kill=crash, getpid=os.getpid))
        patch.setattr(scriptgen.model_path, "Failpoints", lambda _: points)
        yield points


async def crashed(kit: Kit, points: CrashPoints, key: SessionKey, name: str, at: str, query: str) -> None:
    asyncio.get_running_loop().set_exception_handler(_all_but_crashes)
    points.arm(at)
    with pytest.raises(DrainingError):
        await kit.generate(key, query, request_id=name)
    points.disarm()
    await kit.settled()


def _all_but_crashes(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Nobody asks a killed process how it ended."""
    if not isinstance(context.get("exception"), Crash):
        loop.default_exception_handler(context)


async def statuses(kit: Kit, key: SessionKey) -> list[str]:
    return [record.header.status.value for record in await kit.records(key)]


async def test_only_failures_that_would_come_again_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lasting failure is answered from its record; one that may pass runs again, and then succeeds."""
    ran = 0
    failure: ScriptgenError | Exception
    inner = STAGES[Stage.CONTEXT_LOADING]

    async def failing(state: Any, run: Any) -> Any:
        nonlocal ran
        ran += 1
        if failure is not None:
            raise failure
        return await inner.run(state, run)

    async with running(template_pace_seconds=0, workflow_engine="sequential") as kit:
        key = await kit.session()
        spec = StageSpec(failing, inner.durable, inner.then)
        monkeypatch.setitem(STAGES, Stage.CONTEXT_LOADING, spec)
        cases: list[tuple[Exception, bool]] = [
            (FailedPreconditionError("There is no script yet."), True),
            (PermissionDeniedError("Not allowed.", reason="SKILL_NOT_ALLOWED"), True),
            (NotFoundError("No such script.", reason="SCRIPT_NOT_FOUND"), True),
            (LLMUnavailableError("All models are away."), False),
            (RuntimeError("unexpected"), False),
        ]
        for number, (failure, lasting) in enumerate(cases):
            ran = 0
            name = f"request-{number:04d}"
            for _ in range(2):
                with pytest.raises(type(failure)) as caught:
                    await kit.generate(key, QUERY, request_id=name)
                assert str(caught.value) == str(failure)
            assert ran == (1 if lasting else 2)
            assert (await kit.records(key))[-1].header.status is CheckpointStatus.FAILED
        failure = None  # type: ignore[assignment]
        result = await kit.generate(key, QUERY, request_id="request-0003")
        assert not result.resumed
        assert len((await kit.app.sessions.get(key, TENANT)).turns) == 1


async def test_a_result_is_answered_from_the_record_until_its_time_is_over() -> None:
    async with running(template_pace_seconds=0, request_dedup_ttl_seconds=0) as kit:
        key = await kit.session()
        one = await kit.generate(key, QUERY, request_id="request-0001")
        two = await kit.generate(key, QUERY, request_id="request-0001")
        assert not two.replayed
        assert [one.scripts[0].version, two.scripts[0].version] == [1, 2]
        other = await kit.generate(key, "写一段下播话术", request_id="request-0001")
        assert other.scripts[0].version == 3


async def test_a_request_without_an_id_of_its_own_is_never_taken_for_another() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await kit.session()
        for _ in range(2):
            assert not (await kit.generate(key, QUERY)).replayed
        assert len((await kit.app.sessions.get(key, TENANT)).turns) == 2


async def test_a_crashed_request_goes_on_behind_its_last_record_after_others_have_written() -> None:
    with crash_points() as points:
        async with running(template_pace_seconds=0) as kit:
            key = await kit.session()
            await crashed(kit, points, key, "request-0001", "before:QUALITY_CHECKING", QUERY)
            between = await kit.generate(key, "写一段下播话术", request_id="request-0002")
            result = await kit.generate(key, QUERY, request_id="request-0001")
            assert result.resumed
            assert set(result.stage_seconds) >= {"SCRIPT_GENERATING", "QUALITY_CHECKING"}
            assert [between.scripts[0].version, result.scripts[0].version] == [1, 2]
            session = await kit.app.sessions.get(key, TENANT)
            assert [turn.query for turn in session.turns] == ["写一段下播话术", QUERY]
            assert [turn.turn_index for turn in session.turns] == [0, 1]
            resumed = (await kit.records(key))[-2:]
            assert [record.header.status.value for record in resumed] == ["RESUMED", "COMPLETED"]
            assert resumed[0].header.next_stage == "QUALITY_CHECKING"


async def test_a_reconnect_to_a_resumed_generation_voids_what_was_shown_and_shows_it_whole() -> None:
    with crash_points() as points:
        async with running(template_pace_seconds=0) as kit:
            key = await kit.session()
            query = "开场、逼单、下播各来一段"
            await crashed(kit, points, key, "request-0001", "before:SCRIPT_GENERATING@3", query)
            events = await kit.stream(key, query, request_id="request-0001", resume_after=23)
            assert [event.sequence for event in events] == list(range(24, 24 + len(events)))
            resets = [event.event for event in events if isinstance(event.event, ScriptReset)]
            assert resets[:3] == [ScriptReset(n, ResetReason.GENERATION_RESUMED) for n in range(3)]
            result = events[-1].event
            assert isinstance(result, GenerationResult)
            assert shown_texts(events) == {n: script.content for n, script in enumerate(result.scripts)}
            assert len(result.scripts) == 3


@pytest.mark.parametrize("after", [0, 3, 500])
async def test_whoever_joins_a_running_stream_gets_a_stream_of_its_own_numbers(after: int) -> None:
    """The running stream counts on from 40, because its first caller had seen that much elsewhere."""
    async with running(template_pace_seconds=0.002) as kit:
        key = await kit.session()
        wanted = request(key, QUERY, request_id="request-0001")
        orchestrator = kit.app.orchestrator
        first = orchestrator.handle_stream(wanted, TENANT, Grant(), resume_after=40, deadline=None)
        async with aclosing(first):
            assert (await anext(first)).sequence == 41
            joined = await orchestrator.find(wanted, TENANT, resume_after=after)
            assert joined is not None
            rest = asyncio.create_task(_all(first))
            events = await _all(joined)
            await rest
        assert [event.sequence for event in events] == list(range(after + 1, after + 1 + len(events)))
        result = events[-1].event
        assert isinstance(result, GenerationResult)
        assert shown_texts(events) == {0: result.scripts[0].content}
        assert any(isinstance(event.event, ScriptReset) for event in events) or not after


async def test_who_has_seen_a_stream_to_its_end_is_told_the_end_again() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await kit.session()
        events = await kit.stream(key, QUERY, request_id="request-0001")
        for after in (len(events) - 1, len(events), len(events) + 5):
            found = await kit.app.orchestrator.find(
                request(key, QUERY, request_id="request-0001"), TENANT, resume_after=after
            )
            assert found is not None
            again = await _all(found)
            assert again[0].sequence == after + 1
            assert isinstance(again[-1].event, GenerationResult)
            assert again[-1].event.replayed


async def test_nobody_joins_a_generation_that_is_being_stopped() -> None:
    """The caller who comes back while the stop of the first is still being recorded gets a run of its own."""
    async with running(template_pace_seconds=0.01) as kit:
        key = await kit.session()
        wanted = request(key, QUERY, request_id="request-0001")
        orchestrator = kit.app.orchestrator
        first = orchestrator.handle_stream(wanted, TENANT, Grant(), resume_after=0, deadline=None)
        await anext(first)
        await first.aclose()
        assert orchestrator.running == 1, "still ending"
        assert await orchestrator.find(wanted, TENANT, resume_after=0) is None
        result = await orchestrator.handle_request(wanted, TENANT, Grant(), deadline=None)
        assert result.status is GenerationStatus.COMPLETED


async def test_a_cancelled_request_runs_anew_and_is_not_gone_on_with() -> None:
    async with running(template_pace_seconds=0.01) as kit:
        key = await kit.session()
        stream = kit.app.orchestrator.handle_stream(
            request(key, QUERY, request_id="request-0001"), TENANT, Grant(), resume_after=0, deadline=None
        )
        async with aclosing(stream):
            async for event in stream:
                if shown_texts([event]):
                    break
        await kit.settled()
        assert await statuses(kit, key) == ["ACCEPTED", "CANCELLED"]
        result = await kit.generate(key, QUERY, request_id="request-0001")
        assert (result.resumed, result.replayed) == (False, False)


async def test_a_cancel_is_recorded_although_the_session_was_updated_meanwhile() -> None:
    async with running(template_pace_seconds=0.01) as kit:
        key = await kit.session()
        wanted = request(key, QUERY, request_id="request-0001")
        stream = kit.app.orchestrator.handle_stream(wanted, TENANT, Grant(), resume_after=0, deadline=None)
        async with aclosing(stream):
            await anext(stream)
            while await statuses(kit, key) != ["ACCEPTED"]:
                await anext(stream)
            await kit.app.sessions.update(key, TENANT, SessionChange(category="个护"), 0)
        await kit.settled()
        assert await statuses(kit, key) == ["ACCEPTED", "CANCELLED"]
        head = (await kit.app.sessions.get(key, TENANT)).head
        assert (head.category, head.last_status) == ("个护", GenerationStatus.CANCELLED)


async def test_a_cancel_that_comes_while_a_failure_is_recorded_does_not_change_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The failure is an event of its own: the caller hears it, and the record says FAILED."""
    inner = STAGES[Stage.CONTEXT_LOADING]

    async def failing(_state: Any, _run: Any) -> Any:
        raise FailedPreconditionError("There is no script yet.")

    monkeypatch.setitem(STAGES, Stage.CONTEXT_LOADING, StageSpec(failing, inner.durable, inner.then))
    async with running(template_pace_seconds=0, workflow_engine="sequential") as kit:
        for steps in range(12):
            key = await kit.session()
            call = asyncio.create_task(kit.generate(key, QUERY, request_id="request-0001"))
            await asyncio.sleep(0)
            (generation,) = kit.app.orchestrator._running.values()
            for _ in range(steps):
                await asyncio.sleep(0)
            generation.cancel(CancelCause.REQUESTED)
            try:
                assert (await call).status is GenerationStatus.CANCELLED
                ended = ["CANCELLED"]
            except FailedPreconditionError:
                ended = ["FAILED"]
            await kit.settled()
            assert (await statuses(kit, key))[1:] in (ended, []), steps


async def test_cancelling_what_a_dead_instance_left_does_not_hide_another_turn(tmp_path: Path) -> None:
    """A request left open, then a turn recorded but not yet in its session, then a cancel of the first: its
    record must not stand between that turn and its session.
    """
    with crash_points() as points:
        async with running(template_pace_seconds=0, sqlite_path=tmp_path / "s.db", **SPLIT) as kit:
            key = await kit.session()
            await crashed(kit, points, key, "request-0001", "accepted", QUERY)
            await crashed(kit, points, key, "request-0002", "between:log-session", "写一段下播话术")
            assert await kit.app.orchestrator.cancel(key, "request-0001", TENANT)
            assert (await statuses(kit, key))[-1] == "CANCELLED"
            session = await kit.app.sessions.get(key, TENANT)
            assert [turn.query for turn in session.turns] == ["写一段下播话术"]
            result = await kit.generate(key, QUERY, request_id="request-0001")
            assert not result.resumed


class Flaky:
    """A store whose `fail_at`-th write fails: not done, or done with its reply lost."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.fail_at = 0
        self.done = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def append(self, *arguments: Any, **options: Any) -> None:
        await self._written(self._inner.append, arguments, options)

    async def save(self, write: Any) -> None:
        await self._written(self._inner.save, (write,), {})

    async def _written(self, write: Any, arguments: Any, options: Any) -> None:
        self.fail_at -= 1
        fails = self.fail_at == 0
        if self.done or not fails:
            await write(*arguments, **options)
        if fails:
            raise StoreUnavailableError("The store did not answer.")


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("fail_at", [1, 2, 3])
@pytest.mark.parametrize("split", [False, True])
async def test_a_write_that_fails_or_loses_its_reply_leaves_one_turn_after_the_retry(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, split: bool, fail_at: int, done: bool
) -> None:
    log = Flaky(None)

    async def flaky(settings: Any) -> Any:
        stores = await open_stores(settings)
        log._inner = stores.checkpoints
        return replace(stores, checkpoints=log)

    monkeypatch.setattr(scriptgen.app, "open_stores", flaky)
    where = SPLIT if split else {}
    async with running(template_pace_seconds=0, sqlite_path=tmp_path / "s.db", **where) as kit:
        key = await kit.session()
        log.fail_at, log.done = fail_at, done
        with pytest.raises(StoreUnavailableError):
            await kit.generate(key, QUERY, request_id="request-0001")
        await kit.settled()
        result = await kit.generate(key, QUERY, request_id="request-0001")
        recorded = done or fail_at > 1
        assert result.replayed == (done and fail_at == 3)
        assert result.resumed == (recorded and not result.replayed)
        session = await kit.app.sessions.get(key, TENANT)
        assert [turn.query for turn in session.turns] == [QUERY]
        assert [script.content for script in session.scripts] == [result.scripts[0].content]
        assert (await kit.app.sessions.verify(key, TENANT)).valid


@pytest.mark.parametrize("done", [False, True])
async def test_a_session_that_could_not_be_saved_behind_its_record_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, done: bool
) -> None:
    documents = Flaky(None)

    async def flaky(settings: Any) -> Any:
        stores = await open_stores(settings)
        documents._inner = stores.sessions
        return replace(stores, sessions=documents)

    monkeypatch.setattr(scriptgen.app, "open_stores", flaky)
    async with running(template_pace_seconds=0, sqlite_path=tmp_path / "s.db", **SPLIT) as kit:
        key = await kit.session()
        documents.fail_at, documents.done = 1, done
        result = await kit.generate(key, QUERY, request_id="request-0001")
        assert result.status is GenerationStatus.COMPLETED
        later = await kit.generate(key, "再来一段", request_id="request-0002")
        session = await kit.app.sessions.get(key, TENANT)
        assert [turn.query for turn in session.turns] == [QUERY, "再来一段"]
        assert [script.version for script in session.scripts] == [1, 2]
        assert later.scripts[0].version == 2


async def _all(events: Any) -> list[Any]:
    async with aclosing(events):
        return [event async for event in events]


POINTS = (
    "accepted",
    "before:INTENT_RECOGNIZING",
    "after:SCRIPT_GENERATING",
    "recorded:SCRIPT_GENERATING",
    "before:commit",
    "between:log-session",
    "after:commit",
)
COMMITTED = {"between:log-session", "after:commit"}
QUERIES = (QUERY, "写一段下播话术")


class Idempotency(RuleBasedStateMachine):
    """Requests that come once, again, with other contents, and crash anywhere, against a table of what each
    id must be answered with.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.points = self.stack.enter_context(crash_points())
        self.runner = self.stack.enter_context(asyncio.Runner())
        self.done: dict[str, tuple[str, GenerationResult | None]] = {}
        self.open: dict[str, str] = {}
        self.turns: list[str] = []

    @initialize(split=st.booleans())
    def build(self, *, split: bool) -> None:
        # Both memory, but told that they are two backends, so that the way between them exists.
        self.split = split
        opened = running(template_pace_seconds=0, workflow_engine="sequential")
        self.kit: Kit = self.runner.run(opened.__aenter__())
        self.stack.callback(lambda: self.runner.run(opened.__aexit__(None, None, None)))
        self.kit.app.stores.checkpoints.commits_sessions = not split
        self.key = self.runner.run(self.kit.session())

    @rule(number=st.integers(0, 3), query=st.sampled_from(QUERIES))
    def send(self, number: int, query: str) -> None:
        name = f"request-{number:04d}"
        known = self.done.get(name, (self.open.get(name),))[0]
        if known is not None and known != query:
            with pytest.raises(FailedPreconditionError):
                self.runner.run(self._answer(name, query))
            return
        result = self.runner.run(self._answer(name, query))
        assert result.replayed == (name in self.done)
        if name in self.done:
            first = self.done[name][1]
            assert first is None or replace(result, replayed=False) == replace(first, replayed=False)
        else:
            assert result.resumed == (name in self.open)
            self.turns.append(query)
        self.open.pop(name, None)
        self.done[name] = (query, result)

    @rule(number=st.integers(0, 3), query=st.sampled_from(QUERIES), at=st.sampled_from(POINTS))
    def crash(self, number: int, query: str, at: str) -> None:
        name = f"request-{number:04d}"
        known = self.done.get(name, (self.open.get(name),))[0]
        if name in self.done or known not in {None, query} or (at == POINTS[5] and not self.split):
            return
        resumed_behind = name in self.open and at in {"before:INTENT_RECOGNIZING", *POINTS[2:4]}
        if resumed_behind:
            return  # those stages may be behind it already
        self.runner.run(crashed(self.kit, self.points, self.key, name, at, query))
        if at in COMMITTED:
            self.open.pop(name, None)
            self.done[name] = (query, None)
            self.turns.append(query)
        else:
            self.open[name] = query

    @rule(category=st.sampled_from(["美妆", "个护"]))
    def update(self, category: str) -> None:
        self.runner.run(self.kit.app.sessions.update(self.key, TENANT, SessionChange(category=category), 0))
        assert self._session().head.category == category

    @rule(number=st.integers(0, 3))
    def cancel(self, number: int) -> None:
        """Only what ended: cancelling an open one waits a second for the instance that might run it."""
        name = f"request-{number:04d}"
        if name in self.done:
            assert not self.runner.run(self.kit.app.orchestrator.cancel(self.key, name, TENANT))

    @invariant()
    def every_request_has_its_turn_once_in_order(self) -> None:
        if hasattr(self, "key"):
            session = self._session()
            assert [turn.query for turn in session.turns] == self.turns
            assert [script.version for script in session.scripts] == list(range(1, len(self.turns) + 1))
            verdict = self.runner.run(self.kit.app.sessions.verify(self.key, TENANT))
            assert verdict.valid

    def teardown(self) -> None:
        self.stack.close()

    async def _answer(self, name: str, query: str) -> GenerationResult:
        """As the edge does it: known requests first, then a run."""
        wanted: GenerationRequest = request(self.key, query, request_id=name)
        orchestrator, caller = self.kit.app.orchestrator, Principal(TENANT.tenant_id)
        found = await orchestrator.find(wanted, caller, resume_after=0)
        if found is not None:
            result: GenerationResult = (await _all(found))[-1].event
            return result
        return await orchestrator.handle_request(wanted, caller, Grant(), deadline=None)

    def _session(self) -> Any:
        return self.runner.run(self.kit.app.sessions.get(self.key, TENANT))


Idempotency.TestCase.settings = settings(
    max_examples=15,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestIdempotency = Idempotency.TestCase
