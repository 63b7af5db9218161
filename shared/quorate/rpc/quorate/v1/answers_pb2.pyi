from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MemberStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MEMBER_STATUS_UNSPECIFIED: _ClassVar[MemberStatus]
    ANSWERED: _ClassVar[MemberStatus]
    MISSING_VIEW: _ClassVar[MemberStatus]
    LATE: _ClassVar[MemberStatus]
    FAILED: _ClassVar[MemberStatus]
    SKIPPED: _ClassVar[MemberStatus]
MEMBER_STATUS_UNSPECIFIED: MemberStatus
ANSWERED: MemberStatus
MISSING_VIEW: MemberStatus
LATE: MemberStatus
FAILED: MemberStatus
SKIPPED: MemberStatus

class Tensor(_message.Message):
    __slots__ = ("name", "datatype", "shape", "raw")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATATYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    RAW_FIELD_NUMBER: _ClassVar[int]
    name: str
    datatype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    raw: bytes
    def __init__(self, name: _Optional[str] = ..., datatype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., raw: _Optional[bytes] = ...) -> None: ...

class PredictRequest(_message.Message):
    __slots__ = ("ensemble", "version", "inputs", "outputs", "id")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INPUTS_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    ensemble: str
    version: str
    inputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    outputs: _containers.RepeatedScalarFieldContainer[str]
    id: str
    def __init__(self, ensemble: _Optional[str] = ..., version: _Optional[str] = ..., inputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., outputs: _Optional[_Iterable[str]] = ..., id: _Optional[str] = ...) -> None: ...

class MemberReport(_message.Message):
    __slots__ = ("member", "version", "status", "reason", "latency_seconds", "rows_asked", "rows_answered")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    LATENCY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ROWS_ASKED_FIELD_NUMBER: _ClassVar[int]
    ROWS_ANSWERED_FIELD_NUMBER: _ClassVar[int]
    member: str
    version: int
    status: MemberStatus
    reason: str
    latency_seconds: float
    rows_asked: int
    rows_answered: int
    def __init__(self, member: _Optional[str] = ..., version: _Optional[int] = ..., status: _Optional[_Union[MemberStatus, str]] = ..., reason: _Optional[str] = ..., latency_seconds: _Optional[float] = ..., rows_asked: _Optional[int] = ..., rows_answered: _Optional[int] = ...) -> None: ...

class ExpectedQuality(_message.Message):
    __slots__ = ("metric", "value", "low", "high", "rows")
    METRIC_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    metric: str
    value: float
    low: float
    high: float
    rows: int
    def __init__(self, metric: _Optional[str] = ..., value: _Optional[float] = ..., low: _Optional[float] = ..., high: _Optional[float] = ..., rows: _Optional[int] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("ensemble", "version", "id", "outputs", "members", "expected_quality", "degraded", "labels")
    ENSEMBLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    OUTPUTS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_QUALITY_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    ensemble: str
    version: int
    id: str
    outputs: _containers.RepeatedCompositeFieldContainer[Tensor]
    members: _containers.RepeatedCompositeFieldContainer[MemberReport]
    expected_quality: ExpectedQuality
    degraded: bool
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, ensemble: _Optional[str] = ..., version: _Optional[int] = ..., id: _Optional[str] = ..., outputs: _Optional[_Iterable[_Union[Tensor, _Mapping]]] = ..., members: _Optional[_Iterable[_Union[MemberReport, _Mapping]]] = ..., expected_quality: _Optional[_Union[ExpectedQuality, _Mapping]] = ..., degraded: _Optional[bool] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class SubmitRequest(_message.Message):
    __slots__ = ("request", "idempotency_key", "priority", "time_to_live_seconds")
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    PRIORITY_FIELD_NUMBER: _ClassVar[int]
    TIME_TO_LIVE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    request: PredictRequest
    idempotency_key: str
    priority: int
    time_to_live_seconds: float
    def __init__(self, request: _Optional[_Union[PredictRequest, _Mapping]] = ..., idempotency_key: _Optional[str] = ..., priority: _Optional[int] = ..., time_to_live_seconds: _Optional[float] = ...) -> None: ...

class SubmitReply(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...

class AwaitRequest(_message.Message):
    __slots__ = ("request_id",)
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    def __init__(self, request_id: _Optional[str] = ...) -> None: ...
