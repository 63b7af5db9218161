"""Columns to and from ModelInfer messages, raw and typed, with every rule of the wire checked.

Source: https://github.com/kserve/open-inference-protocol, "Tensor Data"; what is sent is always raw, because
widespread clients cannot read typed outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns
from quorate.errors import InvalidInput, MemberError, TooLarge
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.tensors import NUMPY_TYPES, datatype_of, from_raw, to_raw

Parameter = bool | int | str

_TYPED_FIELDS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def infer_request(
    model: str,
    version: str,
    columns: Iterable[tuple[str, str, NDArray[Any]]],
    outputs: Sequence[str] = (),
    id: str = "",  # noqa: A002 - the protocol's own word
) -> pb.ModelInferRequest:
    """Write (name, datatype, array) columns as a raw request; each array must already be of its datatype."""
    request = pb.ModelInferRequest(model_name=model, model_version=version, id=id)
    for name, datatype, array in columns:
        request.inputs.add(name=name, datatype=datatype, shape=array.shape)
        request.raw_input_contents.append(to_raw(array))
    for name in outputs:
        request.outputs.add(name=name)
    return request


def read_inputs(request: pb.ModelInferRequest) -> Columns:
    """Return the request's tensors by name, whether they came raw or typed.

    Raises InvalidInput for a name given twice, raw beside typed contents, a wrong number of raw entries, an
    unknown datatype, or contents that do not fill the shape.
    """
    return _read(request.inputs, request.raw_input_contents, "raw_input_contents")


def infer_response(
    model: str,
    version: str,
    outputs: Mapping[str, NDArray[Any]],
    id: str = "",  # noqa: A002 - the protocol's own word
    parameters: Mapping[str, Parameter] | None = None,
) -> pb.ModelInferResponse:
    """Write the outputs as a raw response, datatypes taken from the arrays; strings become BYTES."""
    response = pb.ModelInferResponse(model_name=model, model_version=version, id=id)
    for name, array in outputs.items():
        response.outputs.add(name=name, datatype=datatype_of(array), shape=array.shape)
        response.raw_output_contents.append(to_raw(array))
    for name, value in (parameters or {}).items():
        response.parameters[name].CopyFrom(_parameter(value))
    return response


def read_outputs(response: pb.ModelInferResponse) -> Columns:
    """Return the response's tensors by name; MemberError where the server broke the protocol."""
    try:
        return _read(response.outputs, response.raw_output_contents, "raw_output_contents")
    except InvalidInput as error:
        raise MemberError(f"model {response.model_name!r} answered what cannot be read: {error}") from error


def selected(outputs: Mapping[str, NDArray[Any]], request: pb.ModelInferRequest) -> dict[str, NDArray[Any]]:
    """Return the outputs that the request names, in its order, or all where it names none."""
    if not request.outputs:
        return dict(outputs)
    names = [output.name for output in request.outputs]
    check_outputs(names, outputs)
    return {name: outputs[name] for name in names}


def check_outputs(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise InvalidInput for an output that does not exist."""
    known = list(known)
    for name in names:
        if name not in known:
            raise InvalidInput(f"there is no output {name!r}; the outputs are {', '.join(known)}")


def rows_of(columns: Columns, max_rows: int | None = None) -> int:
    """Return the number of rows, which every tensor's first dimension states alike.

    Raises InvalidInput where there is no tensor, no first dimension, or two that differ; TooLarge past `max_rows`.
    """
    if not columns:
        raise InvalidInput("the request holds no inputs; send at least one tensor")
    rows: int | None = None
    for name, array in columns.items():
        if array.ndim == 0:
            raise InvalidInput(f"tensor {name!r} has no dimensions; its first one is the number of rows")
        if rows is not None and array.shape[0] != rows:
            raise InvalidInput(
                f"tensor {name!r} has {array.shape[0]} rows, {next(iter(columns))!r} has {rows}; they must agree"
            )
        rows = array.shape[0]
    assert rows is not None
    if max_rows is not None and rows > max_rows:
        raise TooLarge(f"the request has {rows} rows; this server takes {max_rows} at once, so split it")
    return rows


def _read(tensors: Sequence[Any], raw: Sequence[bytes], raw_name: str) -> Columns:
    if raw and len(raw) != len(tensors):
        raise InvalidInput(f"{raw_name} has {len(raw)} entries for {len(tensors)} tensors; send one each, in order")
    columns: Columns = {}
    for index, tensor in enumerate(tensors):
        name = tensor.name
        if name in columns:
            raise InvalidInput(f"tensor {name!r} is given twice; name each once")
        if raw:
            if tensor.HasField("contents") and tensor.contents.ListFields():  # an empty one says nothing
                raise InvalidInput(f"tensor {name!r} has typed contents beside {raw_name}; send one or the other")
            columns[name] = from_raw(name, tensor.datatype, tuple(tensor.shape), raw[index])
        else:
            columns[name] = _from_typed(tensor)
    return columns


def _from_typed(tensor: Any) -> NDArray[Any]:
    name, datatype = tensor.name, tensor.datatype
    dtype = NUMPY_TYPES.get(datatype)
    if dtype is None:
        raise InvalidInput(f"tensor {name!r} has datatype {datatype!r}; use one of {', '.join(NUMPY_TYPES)}")
    field = _TYPED_FIELDS.get(datatype)
    if field is None:
        raise InvalidInput(f"tensor {name!r} is {datatype}, which has no typed contents; send it raw")
    if filled := [other.name for other, _ in tensor.contents.ListFields() if other.name != field]:
        raise InvalidInput(
            f"tensor {name!r} is {datatype}, whose contents stand in {field}, but {', '.join(filled)} is filled"
        )
    if any(size < 0 for size in tensor.shape):
        raise InvalidInput(f"tensor {name!r} has shape {list(tensor.shape)}; a request's dimensions are 0 or more")
    elements = getattr(tensor.contents, field)
    if len(elements) != prod(tensor.shape):
        raise InvalidInput(
            f"tensor {name!r} of shape {list(tensor.shape)} needs {prod(tensor.shape)} elements, got {len(elements)}"
        )
    return _typed_array(name, datatype, elements, dtype).reshape(tuple(tensor.shape))


def _typed_array(name: str, datatype: str, elements: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    if datatype == "BYTES":
        array = np.empty(len(elements), dtype=object)
        array[:] = list(elements)
        return array
    wide = np.array(list(elements), dtype=None if len(elements) else dtype)
    if dtype.itemsize < 4 and len(elements) and dtype.kind in "iu":
        limits = np.iinfo(dtype)
        if wide.min() < limits.min or wide.max() > limits.max:
            raise InvalidInput(f"tensor {name!r} is {datatype}: an element is outside {limits.min} to {limits.max}")
    return wide.astype(dtype)


def _parameter(value: Parameter) -> pb.InferParameter:
    if isinstance(value, bool):
        return pb.InferParameter(bool_param=value)
    if isinstance(value, int):
        return pb.InferParameter(int64_param=value)
    return pb.InferParameter(string_param=value)
