"""kill -9 at every named point of a generation, on every pair of stores: another instance that gets the same
`request_id` goes on after the last recorded stage, nothing is lost or applied twice, and no finished text is
paid for again.

SCRIPTGEN_KILL_ROUNDS sets the number of kills over all pairs of stores (default 30: every point once).
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import msgspec
import pytest
from msgspec.structs import replace

from scriptgen.domain.errors import DrainingError
from scriptgen.domain.vocabulary import Stage
from scriptgen.v1 import checkpoint_pb2, generate_pb2
from scriptgen.workflow import failpoint
from scriptgen.workflow.stages import STAGES
from tests.e2e.process import serving
from tests.unit.workflow.kit import running
from tests.upstream import SCRIPT, Behaviour, Call, FakeUpstream, hangs, says
from tests.valkey import valkey_server

from .forked_servers import Forge, forge
from .ledger import Instance, Ledger, Told, connected

pytestmark = pytest.mark.faults

ROUNDS = int(os.environ.get("SCRIPTGEN_KILL_ROUNDS", "30"))
STORES = (("sqlite", "sqlite"), ("redis", "redis"), ("redis", "sqlite"))
EARLIER = ("写一段开场话术", "写一段促销话术，活泼一点", "今天天气真好", "开场、下播各来一段", "再来一段")
INTENT = {
    "intent": "SCRIPT_GENERATION",
    "category": "美妆",
    "scenario": "直播带货",
    "sub_scenario": "产品介绍",
    "event": "",
    "product_name": "",
    "target_name": "",
    "price": "",
    "length": "",
    "styles": [],
    "selling_points": [],
}


class Case(msgspec.Struct, frozen=True):
    """Where a request is killed. `scripts` is how many it asks for; `paid_twice` of their texts were finished
    but not yet recorded, and only such may be asked for again.
    """

    point: str
    query: str
    scripts: int = 1
    paid_twice: int = 0
    committed: bool = False
    model_reads: int = 0  # model calls to understand the query
    needs_script: bool = False


PLAIN = Case("", "帮我写一段直播带货的产品介绍")
BATCH = Case("", "开场、逼单、下播各来一段", scripts=3)
REWRITE = Case("", "润色一下，更口语", needs_script=True)
ANSWER = Case("", "今天天气真好", scripts=0)
UNSURE = replace(PLAIN, model_reads=1)
COMMITTED = {"between:log-session", "after:commit"}
CASES = (
    *(
        replace(PLAIN, point=point)
        for point in (
            "accepted",
            "before:CONTEXT_LOADING",
            "after:CONTEXT_LOADING",
            "before:INTENT_RECOGNIZING",
            "after:INTENT_RECOGNIZING",
            "before:PROFILE_FETCHING",
            "after:PROFILE_FETCHING",
            "before:SCRIPT_GENERATING",
            "recorded:SCRIPT_GENERATING",
            "before:QUALITY_CHECKING",
            "after:QUALITY_CHECKING",
            "before:commit",
        )
    ),
    replace(PLAIN, point="after:SCRIPT_GENERATING", paid_twice=1),
    *(replace(PLAIN, point=point, committed=True) for point in sorted(COMMITTED)),
    *(replace(BATCH, point=f"recorded:SCRIPT_GENERATING@{n}") for n in (1, 2, 3)),
    replace(BATCH, point="before:SCRIPT_GENERATING@2"),
    replace(BATCH, point="after:SCRIPT_GENERATING@2", paid_twice=1),
    replace(BATCH, point="between:log-session", committed=True),
    replace(REWRITE, point="after:SKILL_EXECUTING"),
    replace(REWRITE, point="recorded:SCRIPT_GENERATING"),
    replace(REWRITE, point="after:commit", committed=True),
    replace(ANSWER, point="before:SKILL_EXECUTING"),
    replace(ANSWER, point="before:commit"),
    replace(UNSURE, point="recorded:INTENT_RECOGNIZING"),
    replace(UNSURE, point="before:SCRIPT_GENERATING"),
    replace(UNSURE, point="recorded:SCRIPT_GENERATING"),
    replace(UNSURE, point="after:commit", committed=True),
)


def understands_and_says() -> Behaviour:
    """Answers a call for an intent with one, every other with a script."""
    reads, writes = says(json.dumps(INTENT, ensure_ascii=False)), says()

    async def behave(call: Call) -> None:
        await (reads if reading(call) else writes)(call)

    return behave


def reading(call: Call) -> bool:
    return "response_format" in call.body


@pytest.fixture(scope="module")
def servers() -> Iterator[Forge]:
    with forge() as built:
        yield built


@pytest.fixture(params=STORES, ids="-".join)
def stores(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of two instances that share their state."""
    sessions, checkpoints = request.param
    settings = {
        "SESSION_STORE": sessions,
        "CHECKPOINT_STORE": checkpoints,
        "SQLITE_PATH": str(tmp_path / "scriptgen.db"),
        "METRICS_LISTEN": "",
        "LLM_FALLBACK_ENABLED": "false",
        "DISTRIBUTED_LOCK_LEASE_SECONDS": "1",
        "CORE_RATE_LIMIT_ENABLED": "false",
        "INTENT_CLARIFY_THRESHOLD": "0",
    }
    with ExitStack() as stack:
        if "redis" in request.param:
            server = stack.enter_context(valkey_server(tmp_path))
            settings["REDIS_URL"] = server.url
        yield settings


def _cases(stores: dict[str, str]) -> list[Case]:
    """This pair's share of the rounds; each pair begins elsewhere, so that few rounds cover every point."""
    pair = STORES.index((stores["SESSION_STORE"], stores["CHECKPOINT_STORE"]))
    share = len(range(pair, ROUNDS, len(STORES)))
    begin = pair * len(CASES) // len(STORES)
    return [CASES[(begin + n) % len(CASES)] for n in range(share)]


@pytest.mark.timeout(120 + 10 * ROUNDS)
async def test_a_killed_request_is_finished_once_by_another_instance(
    stores: dict[str, str], servers: Forge
) -> None:
    ledger, rng = Ledger(), random.Random(ROUNDS)
    engines = ("langgraph", "sequential")
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream(understands_and_says()))
        settings = {**stores, "VLLM_BASE_URL": upstream.url}
        readers = {}
        for reads in (0, 1):
            sure = {"INTENT_LLM_THRESHOLD": "1.0" if reads else "0.0"}
            server = await asyncio.to_thread(servers.start, **settings, **sure)
            readers[reads] = await stack.enter_async_context(connected(server.grpc)), sure
        for number, case in enumerate(_cases(stores)):
            survivor, sure = readers[case.model_reads]
            doomed = await asyncio.to_thread(
                servers.start, **settings, **sure, FAILPOINTS=case.point, WORKFLOW_ENGINE=rng.choice(engines)
            )
            split = stores["SESSION_STORE"] != stores["CHECKPOINT_STORE"]
            if case.point == "between:log-session" and not split:
                doomed.kill()  # there is nothing between: one transaction does both
                continue
            async with connected(doomed.grpc) as dying:
                await _round(case, number, rng, ledger, upstream, dying=dying, survivor=survivor)
            assert await asyncio.to_thread(doomed.gone), f"{case.point} was never passed"
        assert await ledger.problems(readers[0][0]) == []


async def _round(
    case: Case,
    number: int,
    rng: random.Random,
    ledger: Ledger,
    upstream: FakeUpstream,
    *,
    dying: Instance,
    survivor: Instance,
) -> None:
    """A conversation of random length on the survivor, the kill, the retry, and a conversation that goes on."""
    session = await survivor.session()
    earlier = rng.sample(EARLIER[:-1], rng.randint(case.needs_script, 2))
    if case.needs_script:
        earlier[0] = EARLIER[0]
    for turn, query in enumerate(earlier):
        assert await ledger.generate(survivor, session, f"earlier-{number}-{turn}", f"{query}，谢谢{turn}号")

    before = len(upstream.calls)
    lost = await ledger.generate(dying, session, f"killed-{number:04d}", case.query)
    assert lost is None, f"{case.point}: the server was to be killed"
    result = await ledger.generate(survivor, session, f"killed-{number:04d}", case.query)
    again = await ledger.generate(survivor, session, f"killed-{number:04d}", case.query)
    calls = upstream.calls[before:]

    assert result is not None, ledger.errors[-1]
    assert (result.replayed, result.resumed) == (case.committed, not case.committed), case.point
    assert len(result.scripts) == case.scripts, case.point
    assert sum(not reading(call) for call in calls) == case.scripts + case.paid_twice, case.point
    assert sum(reading(call) for call in calls) == case.model_reads, case.point
    assert again is not None
    assert again.replayed
    assert list(again.scripts) == list(result.scripts)
    await _statuses(survivor, session, result)
    later = await ledger.generate(survivor, session, f"later-{number:04d}", f"{EARLIER[-1]}，谢谢9号")
    assert later is not None, ledger.errors[-1]


async def _statuses(instance: Instance, session: str, result: generate_pb2.GenerationResult) -> None:
    """The request's records: accepted once, taken over once unless it was committed, ended once, last."""
    listed = await instance.checkpoints.ListCheckpoints(
        checkpoint_pb2.ListCheckpointsRequest(session_id=session, page_size=1000)
    )
    statuses = [one.status for one in listed.checkpoints if one.request_id == result.request_id]
    ended = next(one.version for one in listed.checkpoints if one.request_id == result.request_id)
    assert ended == result.checkpoint_version
    names = [checkpoint_pb2.CheckpointStatus.Name(status).rsplit("_", 1)[1] for status in statuses]
    assert names.count("COMPLETED") == 1
    assert names[0] == "COMPLETED"
    assert names.count("ACCEPTED") == 1
    assert names.count("RESUMED") == (0 if result.replayed else 1)


@pytest.mark.timeout(120 + 10 * ROUNDS)
async def test_a_server_killed_at_random_moments_under_load_loses_nothing(
    stores: dict[str, str], servers: Forge
) -> None:
    """Not only where somebody thought of a name: four conversations at once, killed at any moment."""
    ledger, rng = Ledger(), random.Random(ROUNDS)
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream(says(pace=0.0005)))
        settings = {**stores, "VLLM_BASE_URL": upstream.url}
        keeper = await asyncio.to_thread(servers.start, **settings)
        survivor = await stack.enter_async_context(connected(keeper.grpc))
        for number in range(max(ROUNDS // 15, 1)):
            doomed = await asyncio.to_thread(servers.start, **settings)
            sessions = [await survivor.session() for _ in range(4)]
            async with connected(doomed.grpc) as dying, asyncio.TaskGroup() as clients:
                for session in sessions:
                    clients.create_task(_until_it_dies(dying, session, ledger))
                await asyncio.sleep(rng.uniform(0.05, 1.5))
                doomed.kill()
            unsure = [one for one in ledger.requests if one.told is Told.UNKNOWN]
            for one in unsure if number % 2 else []:  # every other round nobody comes back
                again = await ledger.generate(survivor, one.session, one.request_id, one.query)
                assert again is not None, ledger.errors[-1]
        assert ledger.count(Told.OK)
        assert await ledger.problems(survivor) == []


async def _until_it_dies(instance: Instance, session: str, ledger: Ledger) -> None:
    for turn in range(1000):
        query = f"{EARLIER[turn % len(EARLIER)]}，谢谢{turn}号"
        if await ledger.generate(instance, session, f"request-{turn:04d}", query) is None:
            return


async def test_text_of_a_killed_stream_is_thrown_away_and_written_anew(
    tmp_path: Path, servers: Forge
) -> None:
    """Killed while the model writes: a reader that reconnects is told to forget what it saw."""
    settings = {
        "SESSION_STORE": "sqlite",
        "CHECKPOINT_STORE": "sqlite",
        "SQLITE_PATH": str(tmp_path / "scriptgen.db"),
        "METRICS_LISTEN": "",
        "LLM_FALLBACK_ENABLED": "false",
    }
    async with FakeUpstream(hangs(SCRIPT[:60]), says()) as upstream:
        settings["VLLM_BASE_URL"] = upstream.url
        doomed = await asyncio.to_thread(servers.start, **settings)
        ledger = Ledger()
        async with connected(doomed.grpc) as dying:
            session = await dying.session()
            request = generate_pb2.GenerateStreamRequest(
                session_id=session, query=PLAIN.query, request_id="stream-0001"
            )
            seen = 0
            call = dying.generation.GenerateStream(request, timeout=30)
            with suppress(grpc.aio.AioRpcError):
                async for event in call:
                    seen = event.sequence
                    if event.HasField("delta"):
                        doomed.kill()
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
        survivor_server = await asyncio.to_thread(servers.start, **settings)
        async with connected(survivor_server.grpc) as survivor:
            request.resume_after_sequence = seen
            events = [event async for event in survivor.generation.GenerateStream(request, timeout=30)]
            assert [event.sequence for event in events] == list(range(seen + 1, seen + 1 + len(events)))
            kinds = [event.WhichOneof("event") for event in events]
            assert kinds.index("reset") < kinds.index("delta")
            result = events[-1].result
            assert result.resumed
            text = "".join(event.delta.text for event in events if event.HasField("delta"))
            assert text == result.scripts[0].content
            replayed = await ledger.generate(survivor, session, "stream-0001", PLAIN.query)
            assert replayed is not None
            assert replayed.replayed
            assert await ledger.problems(survivor) == []
        assert len(upstream.calls) == 2, "a text that was cut is the only one that is asked for again"


async def test_a_server_that_is_started_again_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    """The whole way of an operator: start, crash, start again, on one file."""
    path = str(tmp_path / "scriptgen.db")
    ledger = Ledger()
    async with FakeUpstream(says()) as upstream, AsyncExitStack() as processes:

        async def started(**more: str) -> Instance:
            server = processes.enter_context(
                serving(
                    SESSION_STORE="sqlite",
                    CHECKPOINT_STORE="sqlite",
                    SQLITE_PATH=path,
                    VLLM_BASE_URL=upstream.url,
                    **more,
                )
            )
            return await processes.enter_async_context(connected(server.grpc))

        doomed = await started(FAILPOINTS="before:commit")
        session = await doomed.session()
        assert await ledger.generate(doomed, session, "killed-0001", PLAIN.query) is None
        again = await started()
        result = await ledger.generate(again, session, "killed-0001", PLAIN.query)
        assert result is not None, ledger.errors
        assert result.resumed
        assert len(upstream.calls) == 1
        assert await ledger.problems(again) == []


@pytest.mark.parametrize(("recorded", "calls"), [(True, 1), (False, 2)])
async def test_the_record_of_a_finished_text_is_what_saves_the_second_model_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, recorded: bool, calls: int
) -> None:
    """The crash of the matrix inside this process, with the protection on and off."""

    class Crash(BaseException):
        """Ends the task as SIGKILL ends the process: nothing catches it."""

    def crash(_pid: int, _signal: int) -> None:
        raise Crash

    monkeypatch.setattr(failpoint, "os", SimpleNamespace(kill=crash, getpid=os.getpid))
    if not recorded:
        spec = STAGES[Stage.SCRIPT_GENERATING]
        monkeypatch.setitem(STAGES, Stage.SCRIPT_GENERATING, replace(spec, durable=lambda _: False))
    async with FakeUpstream(says()) as upstream:
        settings: dict[str, Any] = {
            "session_store": "sqlite",
            "checkpoint_store": "sqlite",
            "sqlite_path": tmp_path / "scriptgen.db",
            "vllm_base_url": upstream.url,
            "workflow_engine": "sequential",
        }
        async with running(**settings, failpoints="before:commit") as crashing:
            key = await crashing.session()
            with pytest.raises(DrainingError):
                await crashing.generate(key, PLAIN.query, request_id="killed-0001")
        async with running(**settings) as again:
            result = await again.generate(key, PLAIN.query, request_id="killed-0001")
        assert result.resumed
        assert len(upstream.calls) == calls
