"""Small valid sessions, writes and chained records for the store specs."""

from __future__ import annotations

from msgspec.structs import replace

from scriptgen.domain.checkpoint import (
    GENESIS_CHECKSUM,
    SCHEMA_VERSION,
    CheckpointHeader,
    CheckpointRecord,
    CheckpointStatus,
    sealed,
)
from scriptgen.domain.session import (
    Influencer,
    Product,
    Script,
    Session,
    SessionHead,
    SessionKey,
    SessionWrite,
    Turn,
)

KEY = SessionKey("tenant-a", "session-1")


def head(
    key: SessionKey = KEY, *, revision: int = 1, create_time: int = 1_000, **fields: object
) -> SessionHead:
    whole = SessionHead(
        key.tenant_id,
        key.session_id,
        influencer=Influencer(name="李姐"),
        category="美妆",
        product=Product(name="水光面膜", facts={"容量": "25ml"}),
        revision=revision,
        create_time=create_time,
    )
    return replace(whole, **fields)


def turn(index: int, query: str = "再来一段") -> Turn:
    return Turn(index, query, script_ids=(f"script-{index}",))


def script(index: int, content: str = "姐妹们看过来") -> Script:
    return Script(f"script-{index}", content, turn_index=index, version=index + 1)


def new_session(key: SessionKey = KEY, *, turns: int = 0, **fields: object) -> Session:
    indices = range(turns)
    return Session(head(key, **fields), tuple(map(turn, indices)), tuple(map(script, indices)))  # type: ignore[arg-type]


def next_write(before: SessionHead, *, turns: tuple[int, ...] = (), **fields: object) -> SessionWrite:
    """The write that follows `before`, with the given turns and a script for each."""
    after = replace(before, revision=before.revision + 1, **fields)
    return SessionWrite(after, before.revision, tuple(map(turn, turns)), tuple(map(script, turns)))


def record(
    version: int = 1,
    *,
    key: SessionKey = KEY,
    prev: str = GENESIS_CHECKSUM,
    request_id: str = "request-1",
    status: CheckpointStatus = CheckpointStatus.COMPLETED,
    state: bytes = b'{"query":"\xe5\x86\x8d\xe6\x9d\xa5"}',
) -> CheckpointRecord:
    header = CheckpointHeader(
        session_id=key.session_id,
        version=version,
        trace_id="trace",
        request_id=request_id,
        request_fingerprint="f" * 64,
        stage="COMPLETED",
        stages=("QUALITY_CHECKING", "COMPLETED"),
        next_stage="" if status.terminal else "SCRIPT_GENERATING",
        status=status,
        attempt=0,
        schema_version=SCHEMA_VERSION,
        prev_checksum=prev,
        create_time=1_000 + version,
    )
    return sealed(key.tenant_id, header, state)


def chain(
    statuses: list[CheckpointStatus] | int,
    *,
    key: SessionKey = KEY,
    start: int = 1,
    prev: str = GENESIS_CHECKSUM,
) -> list[CheckpointRecord]:
    """Records that follow one another; a number stands for so many completed ones, each of its own request."""
    if isinstance(statuses, int):
        statuses = [CheckpointStatus.COMPLETED] * statuses
    records: list[CheckpointRecord] = []
    for version, status in enumerate(statuses, start):
        records.append(record(version, key=key, prev=prev, request_id=f"request-{version}", status=status))
        prev = records[-1].checksum
    return records
