"""The session is a projection of its log: a recorded turn is merged into whatever head is stored, once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointHeader, CheckpointRecord, sealed
from scriptgen.domain.checkpoint import CheckpointStatus as Status
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.intent import Intent, PendingRequest, Slots
from scriptgen.domain.session import Influencer, Product, Script, SessionHead, SessionKey, Turn
from scriptgen.domain.vocabulary import GenerationStatus, IntentType
from scriptgen.workflow.projection import merged, outcome_of, unapplied
from scriptgen.workflow.state import TurnOutcome, WorkflowState, encode

from .kit import LIPSTICK, TENANT, running

HEAD = SessionHead("tenant", "ses_1", influencer=Influencer(name="林小满"), category="美妆", product=LIPSTICK)
COOKIES = Product(name="曲奇饼干")
INTENT = Intent(IntentType.SCRIPT_GENERATION, 1.0)
OUTCOME = TurnOutcome(
    status=GenerationStatus.COMPLETED,
    turn=Turn(0, "写一段开场", script_ids=("scr_1_1",)),
    scripts=(Script("scr_1_1", "家人们晚上好！"),),
    slots=Slots(sub_scenario="开场话术"),
    category="食品",
    product=COOKIES,
    summary="第1轮：写一段开场",
    turn_count=1,
    script_count=1,
)
NAMES = st.text("林小满桃唇釉", max_size=4)
CHANGED_HEADS = st.builds(
    lambda name, category, product, revision: replace(
        HEAD,
        influencer=Influencer(name=name),
        category=category,
        product=Product(name=product),
        revision=revision,
    ),
    NAMES,
    st.sampled_from(["美妆", "个护", "食品"]),
    NAMES,
    st.integers(1, 50),
)
OUTCOMES = st.builds(
    lambda switched, turn, pending: replace(
        OUTCOME,
        switched=switched,
        turn=OUTCOME.turn if turn else None,
        scripts=OUTCOME.scripts if turn else (),
        pending=PendingRequest(0, "写一段", INTENT) if pending else None,
    ),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def record(outcome: TurnOutcome | None, version: int, status: Status) -> CheckpointRecord:
    request = GenerationRequest(SessionKey("tenant", "ses_1"), "", "写一段开场", "request-0001", "trace")
    header = CheckpointHeader(
        session_id="ses_1",
        version=version,
        trace_id="trace",
        request_id="request-0001",
        request_fingerprint="f",
        stage="",
        stages=(),
        next_stage="",
        status=status,
        attempt=0,
        schema_version=1,
        prev_checksum=GENESIS_CHECKSUM,
        create_time=1,
    )
    return sealed("tenant", header, encode(WorkflowState(request=request, outcome=outcome)))


@given(head=CHANGED_HEADS, outcome=OUTCOMES, version=st.integers(1, 99))
def test_a_merge_keeps_what_was_changed_meanwhile_and_only_a_switch_changes_the_product(
    head: SessionHead, outcome: TurnOutcome, version: int
) -> None:
    write = merged(head, outcome, version=version, now=7)
    after = write.head
    assert after.influencer == head.influencer
    if outcome.switched and outcome.turn is not None:
        assert (after.category, after.product) == ("食品", COOKIES)
    else:
        assert (after.category, after.product) == (head.category, head.product)
    assert (write.expected_revision, after.revision) == (head.revision, head.revision + 1)
    assert (after.applied_version, after.update_time, after.last_status) == (version, 7, outcome.status)
    if outcome.turn is None:
        assert (write.turns, write.scripts) == ((), ())
        assert (after.slots, after.turn_count, after.summary) == (head.slots, head.turn_count, head.summary)
    else:
        assert (write.turns, write.scripts) == ((outcome.turn,), outcome.scripts)
        assert (after.slots, after.turn_count, after.script_count) == (outcome.slots, 1, 1)
        assert (after.pending, after.summary) == (outcome.pending, outcome.summary)


@given(head=CHANGED_HEADS, outcome=OUTCOMES, version=st.integers(1, 99))
def test_a_recorded_outcome_is_applied_once(head: SessionHead, outcome: TurnOutcome, version: int) -> None:
    newest = record(outcome, version, Status.COMPLETED)
    missing = unapplied(head, newest)
    assert missing == outcome
    after = merged(head, missing, version=version, now=7).head
    assert unapplied(after, newest) is None
    assert unapplied(replace(after, applied_version=version + 3), newest) is None


def test_records_of_unfinished_generations_change_nothing() -> None:
    for status in Status:
        found = outcome_of(record(OUTCOME, 1, status))
        assert found == (OUTCOME if status.terminal else None)
    assert unapplied(HEAD, None) is None
    assert unapplied(HEAD, record(None, 1, Status.FAILED)) is None


async def test_an_update_during_a_generation_is_kept_by_its_commit() -> None:
    async with running(template_pace_seconds=0) as kit:
        key = await kit.session()
        sessions, stores = kit.app.sessions, kit.app.stores
        opened = await sessions.open(key, TENANT, None)
        assert opened.session is not None
        stale = opened.session.head
        await stores.sessions.save(merged(stale, replace(OUTCOME, turn=None, scripts=()), version=0, now=1))
        await kit.generate(key, "写一段开场话术")
        session = await sessions.get(key, TENANT)
        assert session.head.product == LIPSTICK
        assert (len(session.turns), session.head.revision) == (1, stale.revision + 2)
