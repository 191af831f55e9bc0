import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IntentType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    INTENT_TYPE_UNSPECIFIED: _ClassVar[IntentType]
    INTENT_TYPE_SCRIPT_GENERATION: _ClassVar[IntentType]
    INTENT_TYPE_SCRIPT_MODIFICATION: _ClassVar[IntentType]
    INTENT_TYPE_SCRIPT_OPTIMIZATION: _ClassVar[IntentType]
    INTENT_TYPE_SCRIPT_TRANSLATION: _ClassVar[IntentType]
    INTENT_TYPE_BATCH_GENERATION: _ClassVar[IntentType]
    INTENT_TYPE_QUERY: _ClassVar[IntentType]
    INTENT_TYPE_OTHER: _ClassVar[IntentType]

class GenerationStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GENERATION_STATUS_UNSPECIFIED: _ClassVar[GenerationStatus]
    GENERATION_STATUS_COMPLETED: _ClassVar[GenerationStatus]
    GENERATION_STATUS_DEGRADED: _ClassVar[GenerationStatus]
    GENERATION_STATUS_CLARIFYING: _ClassVar[GenerationStatus]
    GENERATION_STATUS_CANCELLED: _ClassVar[GenerationStatus]

class Stage(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STAGE_UNSPECIFIED: _ClassVar[Stage]
    STAGE_CONTEXT_LOADING: _ClassVar[Stage]
    STAGE_INTENT_RECOGNIZING: _ClassVar[Stage]
    STAGE_INTENT_CLARIFYING: _ClassVar[Stage]
    STAGE_SKILL_EXECUTING: _ClassVar[Stage]
    STAGE_PROFILE_FETCHING: _ClassVar[Stage]
    STAGE_SCRIPT_GENERATING: _ClassVar[Stage]
    STAGE_QUALITY_CHECKING: _ClassVar[Stage]
    STAGE_REGENERATING: _ClassVar[Stage]
    STAGE_COMPLETED: _ClassVar[Stage]
    STAGE_DEGRADED: _ClassVar[Stage]

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_BLOCK: _ClassVar[Severity]
    SEVERITY_NEEDS_EVIDENCE: _ClassVar[Severity]
    SEVERITY_WARN: _ClassVar[Severity]
INTENT_TYPE_UNSPECIFIED: IntentType
INTENT_TYPE_SCRIPT_GENERATION: IntentType
INTENT_TYPE_SCRIPT_MODIFICATION: IntentType
INTENT_TYPE_SCRIPT_OPTIMIZATION: IntentType
INTENT_TYPE_SCRIPT_TRANSLATION: IntentType
INTENT_TYPE_BATCH_GENERATION: IntentType
INTENT_TYPE_QUERY: IntentType
INTENT_TYPE_OTHER: IntentType
GENERATION_STATUS_UNSPECIFIED: GenerationStatus
GENERATION_STATUS_COMPLETED: GenerationStatus
GENERATION_STATUS_DEGRADED: GenerationStatus
GENERATION_STATUS_CLARIFYING: GenerationStatus
GENERATION_STATUS_CANCELLED: GenerationStatus
STAGE_UNSPECIFIED: Stage
STAGE_CONTEXT_LOADING: Stage
STAGE_INTENT_RECOGNIZING: Stage
STAGE_INTENT_CLARIFYING: Stage
STAGE_SKILL_EXECUTING: Stage
STAGE_PROFILE_FETCHING: Stage
STAGE_SCRIPT_GENERATING: Stage
STAGE_QUALITY_CHECKING: Stage
STAGE_REGENERATING: Stage
STAGE_COMPLETED: Stage
STAGE_DEGRADED: Stage
SEVERITY_UNSPECIFIED: Severity
SEVERITY_BLOCK: Severity
SEVERITY_NEEDS_EVIDENCE: Severity
SEVERITY_WARN: Severity

class Style(_message.Message):
    __slots__ = ("tone", "formality", "catchphrases", "humor", "avg_sentence_length", "interaction")
    TONE_FIELD_NUMBER: _ClassVar[int]
    FORMALITY_FIELD_NUMBER: _ClassVar[int]
    CATCHPHRASES_FIELD_NUMBER: _ClassVar[int]
    HUMOR_FIELD_NUMBER: _ClassVar[int]
    AVG_SENTENCE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    INTERACTION_FIELD_NUMBER: _ClassVar[int]
    tone: str
    formality: float
    catchphrases: _containers.RepeatedScalarFieldContainer[str]
    humor: float
    avg_sentence_length: float
    interaction: float
    def __init__(self, tone: _Optional[str] = ..., formality: _Optional[float] = ..., catchphrases: _Optional[_Iterable[str]] = ..., humor: _Optional[float] = ..., avg_sentence_length: _Optional[float] = ..., interaction: _Optional[float] = ...) -> None: ...

class Influencer(_message.Message):
    __slots__ = ("influencer_id", "name", "platform", "style", "audience", "sample_scripts")
    INFLUENCER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    STYLE_FIELD_NUMBER: _ClassVar[int]
    AUDIENCE_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_SCRIPTS_FIELD_NUMBER: _ClassVar[int]
    influencer_id: str
    name: str
    platform: str
    style: Style
    audience: str
    sample_scripts: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, influencer_id: _Optional[str] = ..., name: _Optional[str] = ..., platform: _Optional[str] = ..., style: _Optional[_Union[Style, _Mapping]] = ..., audience: _Optional[str] = ..., sample_scripts: _Optional[_Iterable[str]] = ...) -> None: ...

class Product(_message.Message):
    __slots__ = ("product_id", "name", "brand", "price", "selling_points", "facts")
    class FactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    BRAND_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    SELLING_POINTS_FIELD_NUMBER: _ClassVar[int]
    FACTS_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    name: str
    brand: str
    price: str
    selling_points: _containers.RepeatedScalarFieldContainer[str]
    facts: _containers.ScalarMap[str, str]
    def __init__(self, product_id: _Optional[str] = ..., name: _Optional[str] = ..., brand: _Optional[str] = ..., price: _Optional[str] = ..., selling_points: _Optional[_Iterable[str]] = ..., facts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Slots(_message.Message):
    __slots__ = ("category", "scenario", "sub_scenario", "event", "product_name", "selling_points", "target_name", "styles", "price", "length", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SUB_SCENARIO_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_NAME_FIELD_NUMBER: _ClassVar[int]
    SELLING_POINTS_FIELD_NUMBER: _ClassVar[int]
    TARGET_NAME_FIELD_NUMBER: _ClassVar[int]
    STYLES_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    category: str
    scenario: str
    sub_scenario: str
    event: str
    product_name: str
    selling_points: _containers.RepeatedScalarFieldContainer[str]
    target_name: str
    styles: _containers.RepeatedScalarFieldContainer[str]
    price: str
    length: str
    extra: _containers.ScalarMap[str, str]
    def __init__(self, category: _Optional[str] = ..., scenario: _Optional[str] = ..., sub_scenario: _Optional[str] = ..., event: _Optional[str] = ..., product_name: _Optional[str] = ..., selling_points: _Optional[_Iterable[str]] = ..., target_name: _Optional[str] = ..., styles: _Optional[_Iterable[str]] = ..., price: _Optional[str] = ..., length: _Optional[str] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Intent(_message.Message):
    __slots__ = ("type", "confidence", "slots", "missing_slots", "refers_to_turn", "continuation")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    MISSING_SLOTS_FIELD_NUMBER: _ClassVar[int]
    REFERS_TO_TURN_FIELD_NUMBER: _ClassVar[int]
    CONTINUATION_FIELD_NUMBER: _ClassVar[int]
    type: IntentType
    confidence: float
    slots: Slots
    missing_slots: _containers.RepeatedScalarFieldContainer[str]
    refers_to_turn: int
    continuation: bool
    def __init__(self, type: _Optional[_Union[IntentType, str]] = ..., confidence: _Optional[float] = ..., slots: _Optional[_Union[Slots, _Mapping]] = ..., missing_slots: _Optional[_Iterable[str]] = ..., refers_to_turn: _Optional[int] = ..., continuation: _Optional[bool] = ...) -> None: ...

class Clarification(_message.Message):
    __slots__ = ("question", "missing_slots", "options")
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    MISSING_SLOTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    question: str
    missing_slots: _containers.RepeatedScalarFieldContainer[str]
    options: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, question: _Optional[str] = ..., missing_slots: _Optional[_Iterable[str]] = ..., options: _Optional[_Iterable[str]] = ...) -> None: ...

class QualityIssue(_message.Message):
    __slots__ = ("type", "severity", "span", "start", "end", "message", "suggestion", "basis")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    SPAN_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    BASIS_FIELD_NUMBER: _ClassVar[int]
    type: str
    severity: Severity
    span: str
    start: int
    end: int
    message: str
    suggestion: str
    basis: str
    def __init__(self, type: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., span: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., message: _Optional[str] = ..., suggestion: _Optional[str] = ..., basis: _Optional[str] = ...) -> None: ...

class QualityReport(_message.Message):
    __slots__ = ("passed", "score", "issues", "style_score", "suggestions")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ISSUES_FIELD_NUMBER: _ClassVar[int]
    STYLE_SCORE_FIELD_NUMBER: _ClassVar[int]
    SUGGESTIONS_FIELD_NUMBER: _ClassVar[int]
    passed: bool
    score: float
    issues: _containers.RepeatedCompositeFieldContainer[QualityIssue]
    style_score: float
    suggestions: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, passed: _Optional[bool] = ..., score: _Optional[float] = ..., issues: _Optional[_Iterable[_Union[QualityIssue, _Mapping]]] = ..., style_score: _Optional[float] = ..., suggestions: _Optional[_Iterable[str]] = ...) -> None: ...

class Script(_message.Message):
    __slots__ = ("script_id", "content", "category", "scenario", "sub_scenario", "turn_index", "version", "model", "backend", "quality", "adopted", "create_time")
    SCRIPT_ID_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SCENARIO_FIELD_NUMBER: _ClassVar[int]
    SUB_SCENARIO_FIELD_NUMBER: _ClassVar[int]
    TURN_INDEX_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    ADOPTED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    script_id: str
    content: str
    category: str
    scenario: str
    sub_scenario: str
    turn_index: int
    version: int
    model: str
    backend: str
    quality: QualityReport
    adopted: bool
    create_time: _timestamp_pb2.Timestamp
    def __init__(self, script_id: _Optional[str] = ..., content: _Optional[str] = ..., category: _Optional[str] = ..., scenario: _Optional[str] = ..., sub_scenario: _Optional[str] = ..., turn_index: _Optional[int] = ..., version: _Optional[int] = ..., model: _Optional[str] = ..., backend: _Optional[str] = ..., quality: _Optional[_Union[QualityReport, _Mapping]] = ..., adopted: _Optional[bool] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Usage(_message.Message):
    __slots__ = ("prompt_tokens", "completion_tokens", "estimated")
    PROMPT_TOKENS_FIELD_NUMBER: _ClassVar[int]
    COMPLETION_TOKENS_FIELD_NUMBER: _ClassVar[int]
    ESTIMATED_FIELD_NUMBER: _ClassVar[int]
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    def __init__(self, prompt_tokens: _Optional[int] = ..., completion_tokens: _Optional[int] = ..., estimated: _Optional[bool] = ...) -> None: ...
