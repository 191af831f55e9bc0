"""Protobuf messages of what operators look at: checkpoints, components, skills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf import json_format, struct_pb2

from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.component import ComponentStatus
from scriptgen.skills.protocol import SkillDescription
from scriptgen.v1 import checkpoint_pb2, generate_pb2, status_pb2

from .outgoing import NO_STAGE, stage_name, timestamp


def skill_message(value: SkillDescription) -> generate_pb2.Skill:
    return generate_pb2.Skill(
        name=value.name,
        display_name=value.display_name,
        description=value.description,
        intents=[f"INTENT_TYPE_{intent.value}" for intent in value.intents],
        required_slots=value.required_slots,
    )


def header_message(header: CheckpointHeader, checksum: str) -> checkpoint_pb2.Checkpoint:
    return checkpoint_pb2.Checkpoint(
        version=header.version,
        session_id=header.session_id,
        trace_id=header.trace_id,
        request_id=header.request_id,
        status=f"CHECKPOINT_STATUS_{header.status.value}",
        stage=stage_name(header.stage),
        next_stage=stage_name(header.next_stage),
        attempt=header.attempt,
        checksum=checksum,
        prev_checksum=header.prev_checksum,
        create_time=timestamp(header.create_time),
        stages=_known_stages(header.stages),
    )


def checkpoint_message(record: CheckpointRecord) -> checkpoint_pb2.Checkpoint:
    message = header_message(record.header, record.checksum)
    message.state.CopyFrom(json_format.Parse(record.state, struct_pb2.Struct()))
    return message


def component_message(value: ComponentStatus) -> status_pb2.Component:
    return status_pb2.Component(
        name=value.name,
        state=f"COMPONENT_STATE_{value.state.value}",
        backend=value.backend,
        details=dict(_as_strings(value.details)),
    )


def _as_strings(details: Mapping[str, object]) -> Iterable[tuple[str, str]]:
    return ((key, str(value)) for key, value in details.items())


def _known_stages(stages: tuple[str, ...]) -> list[str]:
    return [name for name in map(stage_name, stages) if name != NO_STAGE]
