"""Protobuf messages from domain objects: sessions, scripts, what a generation sends. What operators look
at is in `operator_messages`.
"""

from __future__ import annotations

from typing import Final

from google.protobuf import duration_pb2, timestamp_pb2

from scriptgen.domain.generation import (
    GenerationResult,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
    StageChanged,
)
from scriptgen.domain.intent import Clarification, Intent, Slots
from scriptgen.domain.quality import QualityIssue, QualityReport
from scriptgen.domain.session import (
    Influencer,
    Product,
    Script,
    Session,
    SessionHead,
    Style,
    Turn,
)
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.v1 import generate_pb2, session_pb2, types_pb2

_MICROSECONDS: Final = 1_000_000
NO_STAGE: Final = "STAGE_UNSPECIFIED"


def timestamp(microseconds: int) -> timestamp_pb2.Timestamp | None:
    """None for 0, which means never."""
    if not microseconds:
        return None
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=rest * 1000)


def duration(seconds: float) -> duration_pb2.Duration:
    microseconds = round(seconds * _MICROSECONDS)
    return duration_pb2.Duration(
        seconds=microseconds // _MICROSECONDS, nanos=microseconds % _MICROSECONDS * 1000
    )


def status_name(status: GenerationStatus | None) -> str:
    if status is None:
        return "GENERATION_STATUS_UNSPECIFIED"
    return f"GENERATION_STATUS_{status.value}"


def stage_name(stage: str) -> str:
    """Terminal statuses that are no stage of the contract (CLARIFYING, CANCELLED …) are unspecified."""
    return f"STAGE_{stage}" if stage in Stage.__members__ else NO_STAGE


def influencer_message(value: Influencer) -> types_pb2.Influencer:
    return types_pb2.Influencer(
        influencer_id=value.influencer_id,
        name=value.name,
        platform=value.platform,
        style=style_message(value.style),
        audience=value.audience,
        sample_scripts=value.sample_scripts,
    )


def style_message(value: Style) -> types_pb2.Style:
    return types_pb2.Style(
        tone=value.tone,
        formality=value.formality,
        catchphrases=value.catchphrases,
        humor=value.humor,
        avg_sentence_length=value.avg_sentence_length,
        interaction=value.interaction,
    )


def product_message(value: Product) -> types_pb2.Product:
    return types_pb2.Product(
        product_id=value.product_id,
        name=value.name,
        brand=value.brand,
        price=value.price,
        selling_points=value.selling_points,
        facts=value.facts,
    )


def slots_message(value: Slots) -> types_pb2.Slots:
    return types_pb2.Slots(
        category=value.category,
        scenario=value.scenario,
        sub_scenario=value.sub_scenario,
        event=value.event,
        product_name=value.product_name,
        selling_points=value.selling_points,
        target_name=value.target_name,
        styles=value.styles,
        price=value.price,
        length=value.length,
        extra=value.extra,
    )


def intent_message(value: Intent | None) -> types_pb2.Intent | None:
    if value is None:
        return None
    return types_pb2.Intent(
        type=f"INTENT_TYPE_{value.type.value}",
        confidence=value.confidence,
        slots=slots_message(value.slots),
        missing_slots=value.missing_slots,
        refers_to_turn=value.refers_to_turn,
        continuation=value.continuation,
    )


def clarification_message(value: Clarification | None) -> types_pb2.Clarification | None:
    if value is None:
        return None
    return types_pb2.Clarification(
        question=value.question, missing_slots=value.missing_slots, options=value.options
    )


def issue_message(value: QualityIssue) -> types_pb2.QualityIssue:
    return types_pb2.QualityIssue(
        type=value.type,
        severity=f"SEVERITY_{value.severity.value}",
        span=value.span,
        start=value.start,
        end=value.end,
        message=value.message,
        suggestion=value.suggestion,
        basis=value.basis,
    )


def report_message(value: QualityReport | None) -> types_pb2.QualityReport | None:
    if value is None:
        return None
    return types_pb2.QualityReport(
        passed=value.passed,
        score=value.score,
        issues=map(issue_message, value.issues),
        style_score=value.style_score,
        suggestions=value.suggestions,
    )


def script_message(value: Script) -> types_pb2.Script:
    return types_pb2.Script(
        script_id=value.script_id,
        content=value.content,
        category=value.category,
        scenario=value.scenario,
        sub_scenario=value.sub_scenario,
        turn_index=value.turn_index,
        version=value.version,
        model=value.model,
        backend=value.backend,
        quality=report_message(value.quality),
        adopted=value.adopted,
        create_time=timestamp(value.create_time),
    )


def turn_message(value: Turn) -> session_pb2.Turn:
    return session_pb2.Turn(
        turn_index=value.turn_index,
        query=value.query,
        resolved_query=value.resolved_query,
        intent=intent_message(value.intent),
        reply=value.reply,
        script_ids=value.script_ids,
        status=status_name(value.status),
        create_time=timestamp(value.create_time),
    )


def head_message(value: SessionHead) -> session_pb2.Session:
    return session_pb2.Session(
        session_id=value.session_id,
        user_id=value.user_id,
        influencer=influencer_message(value.influencer),
        category=value.category,
        product=product_message(value.product),
        slots=slots_message(value.slots),
        revision=value.revision,
        last_status=status_name(value.last_status),
        turn_count=value.turn_count,
        create_time=timestamp(value.create_time),
        update_time=timestamp(value.update_time),
    )


def session_message(value: Session) -> session_pb2.Session:
    message = head_message(value.head)
    message.turns.extend(map(turn_message, value.turns))
    message.scripts.extend(map(script_message, value.scripts))
    return message


def result_message(value: GenerationResult) -> generate_pb2.GenerationResult:
    return generate_pb2.GenerationResult(
        request_id=value.request_id,
        trace_id=value.trace_id,
        session_id=value.session_id,
        status=status_name(value.status),
        scripts=map(script_message, value.scripts),
        reply=value.reply,
        intent=intent_message(value.intent),
        quality=report_message(value.quality),
        clarification=clarification_message(value.clarification),
        usage=types_pb2.Usage(
            prompt_tokens=value.usage.prompt_tokens,
            completion_tokens=value.usage.completion_tokens,
            estimated=value.usage.estimated,
        ),
        backend=value.backend,
        model=value.model,
        attempts=value.attempts,
        replayed=value.replayed,
        resumed=value.resumed,
        stage_durations={stage: duration(seconds) for stage, seconds in value.stage_seconds.items()},
        checkpoint_version=value.checkpoint_version,
        warnings=value.warnings,
    )


def generate_response(value: GenerationResult) -> generate_pb2.GenerateResponse:
    return generate_pb2.GenerateResponse(result=result_message(value))


def stream_response(value: SequencedEvent) -> generate_pb2.GenerateStreamResponse:
    response, event = generate_pb2.GenerateStreamResponse, value.event
    match event:
        case ScriptDelta():
            delta = generate_pb2.ScriptDelta(script_index=event.script_index, text=event.text)
            return response(sequence=value.sequence, delta=delta)
        case StageChanged():
            stage = generate_pb2.StageChanged(stage=stage_name(event.stage), attempt=event.attempt)
            return response(sequence=value.sequence, stage=stage)
        case ScriptReset():
            reset = generate_pb2.ScriptReset(
                script_index=event.script_index,
                reason=f"SCRIPT_RESET_REASON_{event.reason.value}",
                detail=event.detail,
            )
            return response(sequence=value.sequence, reset=reset)
        case Clarification():
            return response(sequence=value.sequence, clarification=clarification_message(event))
        case QualityReport():
            return response(sequence=value.sequence, quality=report_message(event))
        case GenerationResult():
            return response(sequence=value.sequence, result=result_message(event))
