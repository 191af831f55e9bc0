import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from scriptgen.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ScriptResetReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCRIPT_RESET_REASON_UNSPECIFIED: _ClassVar[ScriptResetReason]
    SCRIPT_RESET_REASON_QUALITY_RETRY: _ClassVar[ScriptResetReason]
    SCRIPT_RESET_REASON_BACKEND_SWITCHED: _ClassVar[ScriptResetReason]
    SCRIPT_RESET_REASON_GENERATION_RESUMED: _ClassVar[ScriptResetReason]
SCRIPT_RESET_REASON_UNSPECIFIED: ScriptResetReason
SCRIPT_RESET_REASON_QUALITY_RETRY: ScriptResetReason
SCRIPT_RESET_REASON_BACKEND_SWITCHED: ScriptResetReason
SCRIPT_RESET_REASON_GENERATION_RESUMED: ScriptResetReason

class GenerationParameters(_message.Message):
    __slots__ = ("temperature", "top_p", "max_tokens", "target_characters")
    TEMPERATURE_FIELD_NUMBER: _ClassVar[int]
    TOP_P_FIELD_NUMBER: _ClassVar[int]
    MAX_TOKENS_FIELD_NUMBER: _ClassVar[int]
    TARGET_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    temperature: float
    top_p: float
    max_tokens: int
    target_characters: int
    def __init__(self, temperature: _Optional[float] = ..., top_p: _Optional[float] = ..., max_tokens: _Optional[int] = ..., target_characters: _Optional[int] = ...) -> None: ...

class GenerateRequest(_message.Message):
    __slots__ = ("session_id", "query", "request_id", "trace_id", "parameters", "product")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    query: str
    request_id: str
    trace_id: str
    parameters: GenerationParameters
    product: _types_pb2.Product
    def __init__(self, session_id: _Optional[str] = ..., query: _Optional[str] = ..., request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., parameters: _Optional[_Union[GenerationParameters, _Mapping]] = ..., product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ...) -> None: ...

class GenerateResponse(_message.Message):
    __slots__ = ("result",)
    RESULT_FIELD_NUMBER: _ClassVar[int]
    result: GenerationResult
    def __init__(self, result: _Optional[_Union[GenerationResult, _Mapping]] = ...) -> None: ...

class GenerationResult(_message.Message):
    __slots__ = ("request_id", "trace_id", "session_id", "status", "scripts", "reply", "intent", "quality", "clarification", "usage", "backend", "model", "attempts", "replayed", "resumed", "stage_durations", "checkpoint_version", "warnings")
    class StageDurationsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: _duration_pb2.Duration
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    SCRIPTS_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    CLARIFICATION_FIELD_NUMBER: _ClassVar[int]
    USAGE_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    RESUMED_FIELD_NUMBER: _ClassVar[int]
    STAGE_DURATIONS_FIELD_NUMBER: _ClassVar[int]
    CHECKPOINT_VERSION_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    trace_id: str
    session_id: str
    status: _types_pb2.GenerationStatus
    scripts: _containers.RepeatedCompositeFieldContainer[_types_pb2.Script]
    reply: str
    intent: _types_pb2.Intent
    quality: _types_pb2.QualityReport
    clarification: _types_pb2.Clarification
    usage: _types_pb2.Usage
    backend: str
    model: str
    attempts: int
    replayed: bool
    resumed: bool
    stage_durations: _containers.MessageMap[str, _duration_pb2.Duration]
    checkpoint_version: int
    warnings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., session_id: _Optional[str] = ..., status: _Optional[_Union[_types_pb2.GenerationStatus, str]] = ..., scripts: _Optional[_Iterable[_Union[_types_pb2.Script, _Mapping]]] = ..., reply: _Optional[str] = ..., intent: _Optional[_Union[_types_pb2.Intent, _Mapping]] = ..., quality: _Optional[_Union[_types_pb2.QualityReport, _Mapping]] = ..., clarification: _Optional[_Union[_types_pb2.Clarification, _Mapping]] = ..., usage: _Optional[_Union[_types_pb2.Usage, _Mapping]] = ..., backend: _Optional[str] = ..., model: _Optional[str] = ..., attempts: _Optional[int] = ..., replayed: _Optional[bool] = ..., resumed: _Optional[bool] = ..., stage_durations: _Optional[_Mapping[str, _duration_pb2.Duration]] = ..., checkpoint_version: _Optional[int] = ..., warnings: _Optional[_Iterable[str]] = ...) -> None: ...

class GenerateStreamRequest(_message.Message):
    __slots__ = ("session_id", "query", "request_id", "trace_id", "parameters", "product", "resume_after_sequence")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    PARAMETERS_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    RESUME_AFTER_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    query: str
    request_id: str
    trace_id: str
    parameters: GenerationParameters
    product: _types_pb2.Product
    resume_after_sequence: int
    def __init__(self, session_id: _Optional[str] = ..., query: _Optional[str] = ..., request_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., parameters: _Optional[_Union[GenerationParameters, _Mapping]] = ..., product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., resume_after_sequence: _Optional[int] = ...) -> None: ...

class GenerateStreamResponse(_message.Message):
    __slots__ = ("sequence", "stage", "delta", "reset", "clarification", "quality", "result")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    RESET_FIELD_NUMBER: _ClassVar[int]
    CLARIFICATION_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    stage: StageChanged
    delta: ScriptDelta
    reset: ScriptReset
    clarification: _types_pb2.Clarification
    quality: _types_pb2.QualityReport
    result: GenerationResult
    def __init__(self, sequence: _Optional[int] = ..., stage: _Optional[_Union[StageChanged, _Mapping]] = ..., delta: _Optional[_Union[ScriptDelta, _Mapping]] = ..., reset: _Optional[_Union[ScriptReset, _Mapping]] = ..., clarification: _Optional[_Union[_types_pb2.Clarification, _Mapping]] = ..., quality: _Optional[_Union[_types_pb2.QualityReport, _Mapping]] = ..., result: _Optional[_Union[GenerationResult, _Mapping]] = ...) -> None: ...

class StageChanged(_message.Message):
    __slots__ = ("stage", "attempt")
    STAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    stage: _types_pb2.Stage
    attempt: int
    def __init__(self, stage: _Optional[_Union[_types_pb2.Stage, str]] = ..., attempt: _Optional[int] = ...) -> None: ...

class ScriptDelta(_message.Message):
    __slots__ = ("script_index", "text")
    SCRIPT_INDEX_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    script_index: int
    text: str
    def __init__(self, script_index: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class ScriptReset(_message.Message):
    __slots__ = ("script_index", "reason", "detail")
    SCRIPT_INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    script_index: int
    reason: ScriptResetReason
    detail: str
    def __init__(self, script_index: _Optional[int] = ..., reason: _Optional[_Union[ScriptResetReason, str]] = ..., detail: _Optional[str] = ...) -> None: ...

class RecognizeIntentRequest(_message.Message):
    __slots__ = ("query", "session_id", "context")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    query: str
    session_id: str
    context: RecognizeIntentContext
    def __init__(self, query: _Optional[str] = ..., session_id: _Optional[str] = ..., context: _Optional[_Union[RecognizeIntentContext, _Mapping]] = ...) -> None: ...

class RecognizeIntentContext(_message.Message):
    __slots__ = ("category", "influencer_name", "history")
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    INFLUENCER_NAME_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    category: str
    influencer_name: str
    history: _containers.RepeatedCompositeFieldContainer[RecognizeIntentTurn]
    def __init__(self, category: _Optional[str] = ..., influencer_name: _Optional[str] = ..., history: _Optional[_Iterable[_Union[RecognizeIntentTurn, _Mapping]]] = ...) -> None: ...

class RecognizeIntentTurn(_message.Message):
    __slots__ = ("query", "reply")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    REPLY_FIELD_NUMBER: _ClassVar[int]
    query: str
    reply: str
    def __init__(self, query: _Optional[str] = ..., reply: _Optional[str] = ...) -> None: ...

class RecognizeIntentResponse(_message.Message):
    __slots__ = ("intent", "clarification")
    INTENT_FIELD_NUMBER: _ClassVar[int]
    CLARIFICATION_FIELD_NUMBER: _ClassVar[int]
    intent: _types_pb2.Intent
    clarification: _types_pb2.Clarification
    def __init__(self, intent: _Optional[_Union[_types_pb2.Intent, _Mapping]] = ..., clarification: _Optional[_Union[_types_pb2.Clarification, _Mapping]] = ...) -> None: ...

class ReviewScriptRequest(_message.Message):
    __slots__ = ("text", "category", "product", "style")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    text: str
    category: str
    product: _types_pb2.Product
    style: _types_pb2.Style
    def __init__(self, text: _Optional[str] = ..., category: _Optional[str] = ..., product: _Optional[_Union[_types_pb2.Product, _Mapping]] = ..., style: _Optional[_Union[_types_pb2.Style, _Mapping]] = ...) -> None: ...

class ReviewScriptResponse(_message.Message):
    __slots__ = ("quality",)
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    quality: _types_pb2.QualityReport
    def __init__(self, quality: _Optional[_Union[_types_pb2.QualityReport, _Mapping]] = ...) -> None: ...

class ListSkillsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListSkillsResponse(_message.Message):
    __slots__ = ("skills",)
    SKILLS_FIELD_NUMBER: _ClassVar[int]
    skills: _containers.RepeatedCompositeFieldContainer[Skill]
    def __init__(self, skills: _Optional[_Iterable[_Union[Skill, _Mapping]]] = ...) -> None: ...

class Skill(_message.Message):
    __slots__ = ("name", "display_name", "description", "intents", "required_slots")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    INTENTS_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_SLOTS_FIELD_NUMBER: _ClassVar[int]
    name: str
    display_name: str
    description: str
    intents: _containers.RepeatedScalarFieldContainer[_types_pb2.IntentType]
    required_slots: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., display_name: _Optional[str] = ..., description: _Optional[str] = ..., intents: _Optional[_Iterable[_Union[_types_pb2.IntentType, str]]] = ..., required_slots: _Optional[_Iterable[str]] = ...) -> None: ...

class CancelGenerationRequest(_message.Message):
    __slots__ = ("session_id", "request_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    request_id: str
    def __init__(self, session_id: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class CancelGenerationResponse(_message.Message):
    __slots__ = ("cancelled",)
    CANCELLED_FIELD_NUMBER: _ClassVar[int]
    cancelled: bool
    def __init__(self, cancelled: _Optional[bool] = ...) -> None: ...

class AdoptScriptRequest(_message.Message):
    __slots__ = ("session_id", "script_id", "edited_content")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SCRIPT_ID_FIELD_NUMBER: _ClassVar[int]
    EDITED_CONTENT_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    script_id: str
    edited_content: str
    def __init__(self, session_id: _Optional[str] = ..., script_id: _Optional[str] = ..., edited_content: _Optional[str] = ...) -> None: ...

class AdoptScriptResponse(_message.Message):
    __slots__ = ("script",)
    SCRIPT_FIELD_NUMBER: _ClassVar[int]
    script: _types_pb2.Script
    def __init__(self, script: _Optional[_Union[_types_pb2.Script, _Mapping]] = ...) -> None: ...
