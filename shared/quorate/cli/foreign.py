"""A member on somebody else's server, described from what that server says of its model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quorate.ensemble import InputBinding, Member, OutputBinding, Task
from quorate.errors import InvalidInput

NUMBERS = ("FP16", "FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64", "BOOL")


@dataclass(frozen=True)
class Tensor:
    """A tensor of a server's model; a dimension of -1 is any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.datatype} {list(self.shape)}"


@dataclass(frozen=True)
class Metadata:
    """What a server says of a model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What the user says of the member; whatever is empty is read from the metadata."""

    name: str
    view: str
    model: str
    model_version: str = ""
    task: Task | None = None
    labels: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    input: str = ""
    """TENSOR:DATATYPE, for servers that describe no inputs."""
    output: str = ""
    output_kind: str = ""


def foreign_member(given: Given, metadata: Metadata) -> Member:
    """Bind a view's columns to the model's tensors; InvalidInput names what does not fit, and the option that helps."""
    task = given.task or Task(metadata.properties.get("task", Task.CLASSIFICATION))
    labels = given.labels or tuple(json.loads(metadata.properties.get("labels", "[]")))
    if task is Task.REGRESSION:
        labels = ()
    elif len(labels) < 2:
        raise InvalidInput(f"{given.model!r} states no labels; give all of them in its order: --labels a,b,c")
    return Member(
        name=given.name,
        version=0,
        views=(given.view,),
        task=task,
        labels=labels,
        inputs=_inputs(given, metadata),
        output=_output(given, metadata.outputs, task, len(labels)),
        model=given.model,
        model_version=given.model_version,
    )


def _inputs(given: Given, metadata: Metadata) -> tuple[InputBinding, ...]:
    tensors = (_stated_input(given),) if given.input else metadata.inputs
    if not tensors:
        raise InvalidInput(f"the server does not describe {given.model!r}'s inputs; name one: --input TENSOR:DATATYPE")
    if given.view == "tabular":
        return _table_inputs(given, tensors)
    if given.columns:
        raise InvalidInput(f"columns belong to the view 'tabular'; the view {given.view!r} reads {given.view!r}")
    return (_single_input(given, tensors),)


def _single_input(given: Given, tensors: Sequence[Tensor]) -> InputBinding:
    """Bind `text` or `image` to the model's one tensor that takes it raw."""
    allowed = ("BYTES",) if given.view == "text" else ("BYTES", "UINT8")
    fitting = [tensor for tensor in tensors if tensor.datatype in allowed]
    named = [tensor for tensor in fitting if tensor.name == given.view]
    chosen = named or fitting
    if len(chosen) != 1 or (len(tensors) > 1 and not named):
        raise InvalidInput(
            f"a member of the view {given.view!r} takes it in one {' or '.join(allowed)} tensor; "
            f"{given.model!r} takes {_listed(tensors)}. Put its preprocessing on the server, or name one by --input"
        )
    return InputBinding(chosen[0].name, chosen[0].datatype, (given.view,))


def _table_inputs(given: Given, tensors: Sequence[Tensor]) -> tuple[InputBinding, ...]:
    """Bind one matrix, or one tensor a column."""
    matrix = tensors[0] if len(tensors) == 1 and len(tensors[0].shape) == 2 else None
    if matrix is not None and matrix.datatype in NUMBERS:
        return (_matrix(given, matrix),)
    columns = given.columns or tuple(tensor.name for tensor in tensors)
    if len(columns) != len(tensors):
        raise InvalidInput(
            f"{given.model!r} takes {len(tensors)} tensors ({_listed(tensors)}), and {len(columns)} columns are given; "
            "give one column a tensor, in this order"
        )
    return tuple(_column(tensor, column) for tensor, column in zip(tensors, columns, strict=True))


def _matrix(given: Given, tensor: Tensor) -> InputBinding:
    width = tensor.shape[1]
    if not given.columns:
        size = "its" if width < 0 else f"its {width}"
        raise InvalidInput(f"{given.model!r} takes a matrix, {tensor}; name {size} columns in order: --columns a,b,c")
    if width >= 0 and width != len(given.columns):
        raise InvalidInput(f"{given.model!r} takes {width} columns in {tensor}, and {len(given.columns)} are given")
    return InputBinding(tensor.name, tensor.datatype, given.columns, "matrix")


def _column(tensor: Tensor, column: str) -> InputBinding:
    if len(tensor.shape) == 1:
        return InputBinding(tensor.name, tensor.datatype, (column,))
    if len(tensor.shape) == 2 and tensor.shape[1] in (1, -1) and tensor.datatype in NUMBERS:
        return InputBinding(tensor.name, tensor.datatype, (column,), "matrix")
    raise InvalidInput(f"tensor {tensor} holds no column of a table; it needs one number or text a row")


def _stated_input(given: Given) -> Tensor:
    name, colon, datatype = given.input.rpartition(":")
    if not colon or (datatype not in NUMBERS and datatype != "BYTES"):
        raise InvalidInput(f"--input is {given.input!r}; give TENSOR:DATATYPE, such as x:FP32 or text:BYTES")
    matrix = given.view == "tabular" and datatype != "BYTES"
    return Tensor(name, datatype, (-1, -1) if matrix else (-1,))


def _output(given: Given, outputs: Sequence[Tensor], task: Task, labels: int) -> OutputBinding:
    tensor = _output_tensor(given, outputs)
    kind = given.output_kind or ("value" if task is Task.REGRESSION else _kind(tensor))
    width = 1 if task is Task.REGRESSION else labels
    scores = kind in ("probabilities", "logits") and len(tensor.shape) == 2
    if scores and tensor.shape[1] not in (-1, width):
        raise InvalidInput(f"output {tensor} has {tensor.shape[1]} scores a row, and there are {width} labels")
    return OutputBinding(tensor.name, kind)


def _output_tensor(given: Given, outputs: Sequence[Tensor]) -> Tensor:
    if given.output:
        known = [tensor for tensor in outputs if tensor.name == given.output]
        if outputs and not known:
            raise InvalidInput(f"{given.model!r} has no output {given.output!r}; it answers {_listed(outputs)}")
        return known[0] if known else Tensor(given.output, "FP32", (-1, -1))
    preferred = [tensor for tensor in outputs if tensor.name in ("probabilities", "value")]
    chosen = outputs if len(outputs) == 1 else preferred
    if len(chosen) != 1:
        said = _listed(outputs) if outputs else "the server does not say what"
        raise InvalidInput(f"which output of {given.model!r} is meant? It answers {said}; name one: --output TENSOR")
    return chosen[0]


def _kind(tensor: Tensor) -> str:
    if tensor.datatype == "BYTES":
        return "label"
    return "probabilities" if tensor.datatype.startswith("FP") else "index"


def _listed(tensors: Sequence[Tensor]) -> str:
    return ", ".join(map(str, tensors)) or "nothing"
