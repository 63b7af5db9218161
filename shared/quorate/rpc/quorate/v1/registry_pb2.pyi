from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListMembersRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Member(_message.Message):
    __slots__ = ("name", "version", "task", "views", "labels", "source", "addresses", "ready")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    task: str
    views: _containers.RepeatedScalarFieldContainer[str]
    labels: _containers.RepeatedScalarFieldContainer[str]
    source: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    ready: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., task: _Optional[str] = ..., views: _Optional[_Iterable[str]] = ..., labels: _Optional[_Iterable[str]] = ..., source: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ..., ready: _Optional[bool] = ...) -> None: ...

class ListMembersReply(_message.Message):
    __slots__ = ("members",)
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[Member]
    def __init__(self, members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ...) -> None: ...

class ListEnsemblesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Ensemble(_message.Message):
    __slots__ = ("name", "version", "aliases", "task", "members", "combiner", "labels", "ready")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALIASES_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    COMBINER_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: int
    aliases: _containers.RepeatedScalarFieldContainer[str]
    task: str
    members: _containers.RepeatedScalarFieldContainer[str]
    combiner: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    ready: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[int] = ..., aliases: _Optional[_Iterable[str]] = ..., task: _Optional[str] = ..., members: _Optional[_Iterable[str]] = ..., combiner: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ..., ready: _Optional[bool] = ...) -> None: ...

class ListEnsemblesReply(_message.Message):
    __slots__ = ("ensembles",)
    ENSEMBLES_FIELD_NUMBER: _ClassVar[int]
    ensembles: _containers.RepeatedCompositeFieldContainer[Ensemble]
    def __init__(self, ensembles: _Optional[_Iterable[_Union[Ensemble, _Mapping]]] = ...) -> None: ...

class StartFitRequest(_message.Message):
    __slots__ = ("kind", "name", "dataset_url", "options_json")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    DATASET_URL_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_JSON_FIELD_NUMBER: _ClassVar[int]
    kind: str
    name: str
    dataset_url: str
    options_json: str
    def __init__(self, kind: _Optional[str] = ..., name: _Optional[str] = ..., dataset_url: _Optional[str] = ..., options_json: _Optional[str] = ...) -> None: ...

class FitRef(_message.Message):
    __slots__ = ("fit_id",)
    FIT_ID_FIELD_NUMBER: _ClassVar[int]
    fit_id: str
    def __init__(self, fit_id: _Optional[str] = ...) -> None: ...

class Fit(_message.Message):
    __slots__ = ("fit_id", "kind", "name", "state", "error", "step", "progress", "result_json")
    FIT_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    RESULT_JSON_FIELD_NUMBER: _ClassVar[int]
    fit_id: str
    kind: str
    name: str
    state: str
    error: str
    step: str
    progress: float
    result_json: str
    def __init__(self, fit_id: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., state: _Optional[str] = ..., error: _Optional[str] = ..., step: _Optional[str] = ..., progress: _Optional[float] = ..., result_json: _Optional[str] = ...) -> None: ...
