import datetime

from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from scriptgen.v1 import session_pb2 as _session_pb2
from scriptgen.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CheckpointStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHECKPOINT_STATUS_UNSPECIFIED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_ACCEPTED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_RUNNING: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_RESUMED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_COMPLETED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_DEGRADED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_CLARIFYING: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_CANCELLED: _ClassVar[CheckpointStatus]
    CHECKPOINT_STATUS_FAILED: _ClassVar[CheckpointStatus]
CHECKPOINT_STATUS_UNSPECIFIED: CheckpointStatus
CHECKPOINT_STATUS_ACCEPTED: CheckpointStatus
CHECKPOINT_STATUS_RUNNING: CheckpointStatus
CHECKPOINT_STATUS_RESUMED: CheckpointStatus
CHECKPOINT_STATUS_COMPLETED: CheckpointStatus
CHECKPOINT_STATUS_DEGRADED: CheckpointStatus
CHECKPOINT_STATUS_CLARIFYING: CheckpointStatus
CHECKPOINT_STATUS_CANCELLED: CheckpointStatus
CHECKPOINT_STATUS_FAILED: CheckpointStatus

class Checkpoint(_message.Message):
    __slots__ = ("version", "session_id", "trace_id", "request_id", "status", "stage", "next_stage", "attempt", "checksum", "prev_checksum", "create_time", "stages", "state")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STAGE_FIELD_NUMBER: _ClassVar[int]
    NEXT_STAGE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    PREV_CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    STAGES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    session_id: str
    trace_id: str
    request_id: str
    status: CheckpointStatus
    stage: _types_pb2.Stage
    next_stage: _types_pb2.Stage
    attempt: int
    checksum: str
    prev_checksum: str
    create_time: _timestamp_pb2.Timestamp
    stages: _containers.RepeatedScalarFieldContainer[_types_pb2.Stage]
    state: _struct_pb2.Struct
    def __init__(self, version: _Optional[int] = ..., session_id: _Optional[str] = ..., trace_id: _Optional[str] = ..., request_id: _Optional[str] = ..., status: _Optional[_Union[CheckpointStatus, str]] = ..., stage: _Optional[_Union[_types_pb2.Stage, str]] = ..., next_stage: _Optional[_Union[_types_pb2.Stage, str]] = ..., attempt: _Optional[int] = ..., checksum: _Optional[str] = ..., prev_checksum: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., stages: _Optional[_Iterable[_Union[_types_pb2.Stage, str]]] = ..., state: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListCheckpointsRequest(_message.Message):
    __slots__ = ("session_id", "page_size", "page_token")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    page_size: int
    page_token: str
    def __init__(self, session_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCheckpointsResponse(_message.Message):
    __slots__ = ("checkpoints", "next_page_token")
    CHECKPOINTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkpoints: _containers.RepeatedCompositeFieldContainer[Checkpoint]
    next_page_token: str
    def __init__(self, checkpoints: _Optional[_Iterable[_Union[Checkpoint, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetLatestCheckpointRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetLatestCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: Checkpoint
    def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class GetCheckpointRequest(_message.Message):
    __slots__ = ("session_id", "version")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    version: int
    def __init__(self, session_id: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class GetCheckpointResponse(_message.Message):
    __slots__ = ("checkpoint",)
    CHECKPOINT_FIELD_NUMBER: _ClassVar[int]
    checkpoint: Checkpoint
    def __init__(self, checkpoint: _Optional[_Union[Checkpoint, _Mapping]] = ...) -> None: ...

class VerifyCheckpointsRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class VerifyCheckpointsResponse(_message.Message):
    __slots__ = ("valid", "checked", "first_bad_version")
    VALID_FIELD_NUMBER: _ClassVar[int]
    CHECKED_FIELD_NUMBER: _ClassVar[int]
    FIRST_BAD_VERSION_FIELD_NUMBER: _ClassVar[int]
    valid: bool
    checked: int
    first_bad_version: int
    def __init__(self, valid: _Optional[bool] = ..., checked: _Optional[int] = ..., first_bad_version: _Optional[int] = ...) -> None: ...

class ForkSessionRequest(_message.Message):
    __slots__ = ("session_id", "version", "request_id")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    version: int
    request_id: str
    def __init__(self, session_id: _Optional[str] = ..., version: _Optional[int] = ..., request_id: _Optional[str] = ...) -> None: ...

class ForkSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _session_pb2.Session
    def __init__(self, session: _Optional[_Union[_session_pb2.Session, _Mapping]] = ...) -> None: ...
