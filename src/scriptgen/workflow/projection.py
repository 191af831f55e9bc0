"""How a recorded turn becomes part of its session: the session document is a projection of the log.

Pure functions. The same merge serves the commit, the roll-forward after a crash and a fork.
"""

from __future__ import annotations

from msgspec.structs import replace

from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.session import Session, SessionHead, SessionWrite

from .state import TurnOutcome, decode


def merged(head: SessionHead, outcome: TurnOutcome, *, version: int, now: int) -> SessionWrite:
    """The write that applies `outcome`, recorded as checkpoint `version`, to the stored `head`.

    Influencer, and product unless the turn switched it, stay those of `head`: an UpdateSession that came in
    between is not undone.
    """
    after = replace(
        head,
        revision=head.revision + 1,
        last_status=outcome.status,
        applied_version=version,
        update_time=now,
    )
    if outcome.turn is not None:
        after = replace(
            after,
            slots=outcome.slots,
            pending=outcome.pending,
            summary=outcome.summary,
            turn_count=outcome.turn_count,
            script_count=outcome.script_count,
        )
        if outcome.switched:
            after = replace(after, category=outcome.category, product=outcome.product)
    return SessionWrite(
        head=after,
        expected_revision=head.revision,
        turns=(outcome.turn,) if outcome.turn is not None else (),
        scripts=outcome.scripts,
    )


def forked(
    session: Session, outcome: TurnOutcome | None, *, session_id: str, origin: str, now: int
) -> Session:
    """A new session that begins as `session` stood after `outcome` (None: before any turn)."""
    source = session.head
    head = SessionHead(
        tenant_id=source.tenant_id,
        session_id=session_id,
        user_id=source.user_id,
        influencer=source.influencer,
        category=source.category,
        product=source.product,
        origin=origin,
        create_time=now,
        update_time=now,
    )
    if outcome is None:
        return Session(head)
    head = replace(
        head,
        category=outcome.category,
        product=outcome.product,
        slots=outcome.slots,
        last_status=outcome.status,
        turn_count=outcome.turn_count,
        script_count=outcome.script_count,
        pending=outcome.pending,
        summary=outcome.summary,
    )
    return Session(
        head,
        tuple(turn for turn in session.turns if turn.turn_index < head.turn_count),
        tuple(script for script in session.scripts if script.turn_index < head.turn_count),
    )


def outcome_of(record: CheckpointRecord) -> TurnOutcome | None:
    """What the record says the turn changed; None for records of unfinished generations."""
    return decode(record.state).outcome if record.header.status.terminal else None


def unapplied(head: SessionHead, record: CheckpointRecord | None) -> TurnOutcome | None:
    """The outcome that `head` lacks although it is recorded: the process ended between log and session."""
    if record is None or record.version <= head.applied_version:
        return None
    return outcome_of(record)
