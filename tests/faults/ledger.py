"""Clients that write down what they were told, and a checker that holds the stored sessions against it.

`ok` must be there exactly once and with the same scripts, `failed` must not be there, `unknown` at most once.
Queries must be unique within a session: they are how a turn is told to be a request's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum

import grpc

from scriptgen.v1 import (
    checkpoint_pb2,
    checkpoint_pb2_grpc,
    generate_pb2,
    generate_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    types_pb2,
)

#: After these nobody knows whether the work was done.
_UNKNOWN = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
_CALL_SECONDS = 30.0


class Told(Enum):
    """What the caller of a request knows. Over several attempts the strongest word counts."""

    FAILED = 0
    UNKNOWN = 1
    OK = 2


@dataclass(slots=True)
class Request:
    """One request id with all its attempts."""

    session: str
    request_id: str
    query: str
    told: Told = Told.FAILED
    results: list[generate_pb2.GenerationResult] = field(default_factory=list)


@dataclass(slots=True)
class Instance:
    """The stubs of one server."""

    sessions: session_pb2_grpc.SessionServiceAsyncStub
    generation: generate_pb2_grpc.GenerateServiceAsyncStub
    checkpoints: checkpoint_pb2_grpc.CheckpointServiceAsyncStub

    async def session(self, **fields: object) -> str:
        about = {
            "influencer": types_pb2.Influencer(name="林小满"),
            "category": "美妆",
            "product": types_pb2.Product(name="桃桃唇釉", price="59.9元", selling_points=["显白"]),
            **fields,
        }
        request = session_pb2.CreateSessionRequest(**about)  # type: ignore[arg-type]
        return (await self.sessions.CreateSession(request, timeout=_CALL_SECONDS)).session.session_id

    async def read(self, session: str) -> session_pb2.Session:
        request = session_pb2.GetSessionRequest(session_id=session)
        return (await self.sessions.GetSession(request, timeout=_CALL_SECONDS)).session


@asynccontextmanager
async def connected(target: str) -> AsyncIterator[Instance]:
    async with grpc.aio.insecure_channel(target) as channel:
        yield Instance(
            session_pb2_grpc.SessionServiceStub(channel),
            generate_pb2_grpc.GenerateServiceStub(channel),
            checkpoint_pb2_grpc.CheckpointServiceStub(channel),
        )


class Ledger:
    """Shared by all clients of a test. `codes` counts how calls ended; `errors` keeps what was said."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str], Request] = {}
        self.codes: Counter[grpc.StatusCode] = Counter()
        self.errors: list[str] = []

    @property
    def requests(self) -> list[Request]:
        return list(self._requests.values())

    def count(self, told: Told) -> int:
        return sum(request.told is told for request in self.requests)

    async def generate(
        self, instance: Instance, session: str, request_id: str, query: str
    ) -> generate_pb2.GenerationResult | None:
        """One attempt; None when it did not succeed."""
        message = generate_pb2.GenerateRequest(session_id=session, query=query, request_id=request_id)
        try:
            result = (await instance.generation.Generate(message, timeout=_CALL_SECONDS)).result
        except grpc.aio.AioRpcError as error:
            self.codes[error.code()] += 1
            self.errors.append(f"{request_id}: {error.code().name} {error.details()}")
            told = Told.UNKNOWN if error.code() in _UNKNOWN else Told.FAILED
            self.note(session, request_id, query, told)
            return None
        self.codes[grpc.StatusCode.OK] += 1
        self.note(session, request_id, query, Told.OK).results.append(result)
        return result

    def note(self, session: str, request_id: str, query: str, told: Told) -> Request:
        """Write down what one attempt was told."""
        entry = self._requests.setdefault((session, request_id), Request(session, request_id, query))
        entry.told = max(entry.told, told, key=lambda one: one.value)
        return entry

    async def problems(self, instance: Instance) -> list[str]:
        """What the stores hold otherwise than the callers were told, as `instance` shows it."""
        found: list[str] = []
        for session_id in sorted({session for session, _ in self._requests}):
            session = await instance.read(session_id)
            mine = [request for request in self.requests if request.session == session_id]
            found += [f"{session_id}: {problem}" for problem in _compared(session, mine)]
            verify = checkpoint_pb2.VerifyCheckpointsRequest(session_id=session_id)
            verdict = await instance.checkpoints.VerifyCheckpoints(verify, timeout=_CALL_SECONDS)
            if not verdict.valid:
                found.append(f"{session_id}: the chain breaks at version {verdict.first_bad_version}")
        return found


def _compared(session: session_pb2.Session, requests: list[Request]) -> list[str]:
    problems: list[str] = []
    indexes = [turn.turn_index for turn in session.turns]
    if indexes != list(range(len(indexes))):
        problems.append(f"turn indexes {indexes}")
    identities = [script.script_id for script in session.scripts]
    if sorted(identities) != sorted({one for turn in session.turns for one in turn.script_ids}):
        problems.append("scripts and turns do not belong together")
    if len(set(identities)) != len(identities):
        problems.append("a script id stands twice")
    contents = {script.script_id: script.content for script in session.scripts}
    queries = Counter(turn.query for turn in session.turns)
    for request in requests:
        times = queries.pop(request.query, 0)
        if request.told is Told.OK and times != 1:
            problems.append(f"{request.request_id} was acknowledged and is there {times} times")
        elif request.told is Told.FAILED and times:
            problems.append(f"{request.request_id} was refused and is there")
        elif times > 1:
            problems.append(f"{request.request_id} is there {times} times")
        problems += [
            f"{request.request_id}: script {script.script_id} is not what was sent"
            for result in request.results
            for script in result.scripts
            if contents.get(script.script_id) != script.content
        ]
    problems += [f"nobody asked for {query!r}" for query in queries]
    return problems
