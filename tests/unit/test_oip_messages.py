"""The wire's codec: raw and typed tensors mean the same, and every rule that a request can break is named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quorate.errors import InvalidInput, MemberError, TooLarge
from quorate.oip.messages import infer_request, infer_response, read_inputs, read_outputs, rows_of, selected
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.tensors import NUMPY_TYPES

TYPED_FIELDS = {
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
SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    datatype = draw(st.sampled_from(sorted(TYPED_FIELDS)))
    shape = draw(SHAPES)
    if datatype == "BYTES":
        cells = draw(st.lists(st.binary(max_size=9), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        array = np.empty(len(cells), dtype=object)
        array[:] = cells
        return datatype, array.reshape(shape)
    return datatype, draw(hnp.arrays(NUMPY_TYPES[datatype], shape))


def typed(datatype: str, array: np.ndarray, name: str = "x") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="m")
    tensor = request.inputs.add(name=name, datatype=datatype, shape=array.shape)
    getattr(tensor.contents, TYPED_FIELDS[datatype]).extend(array.ravel().tolist())
    return request


def same(left: np.ndarray, right: np.ndarray) -> bool:
    if left.dtype == object:
        return left.shape == right.shape and left.ravel().tolist() == right.ravel().tolist()
    return left.dtype == right.dtype and np.array_equal(left, right, equal_nan=left.dtype.kind == "f")


@given(tensors())
def test_raw_and_typed_tensors_mean_the_same(tensor: tuple[str, np.ndarray]) -> None:
    datatype, array = tensor
    raw = read_inputs(infer_request("m", "", [("x", datatype, array)]))["x"]
    assert same(raw, array)
    assert same(read_inputs(typed(datatype, array))["x"], raw)


@given(tensors())
def test_an_answer_reads_back_as_it_was_written(tensor: tuple[str, np.ndarray]) -> None:
    _, array = tensor
    response = infer_response(
        "m", "3", {"y": array}, "id-1", {"quorate.degraded": True, "quorate.version": 3, "s": "t"}
    )
    assert same(read_outputs(response)["y"], array)
    assert (response.id, response.model_version) == ("id-1", "3")
    assert response.parameters["quorate.degraded"].bool_param is True
    assert response.parameters["quorate.version"].int64_param == 3
    assert response.parameters["s"].string_param == "t"


def test_half_precision_travels_raw_alone() -> None:
    array = np.array([1.5, -2], dtype=np.float16)
    assert same(read_inputs(infer_request("m", "", [("x", "FP16", array)]))["x"], array)
    request = pb.ModelInferRequest()
    request.inputs.add(name="x", datatype="FP16", shape=[2]).contents.fp32_contents.extend([1.5, -2])
    with pytest.raises(InvalidInput, match="send it raw"):
        read_inputs(request)


def broken(**changes: Any) -> pb.ModelInferRequest:
    request = typed("FP32", np.zeros((2, 2), np.float32))
    tensor = request.inputs[0]
    if "shape" in changes:
        del tensor.shape[:]
        tensor.shape.extend(changes["shape"])
    if "datatype" in changes:
        tensor.datatype = changes["datatype"]
    if "int_contents" in changes:
        tensor.contents.int_contents.extend(changes["int_contents"])
    if "raw" in changes:
        request.raw_input_contents.extend(changes["raw"])
    if "again" in changes:
        request.inputs.append(tensor)
    return request


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"shape": [3, 2]}, "needs 6 elements, got 4"),
        ({"shape": [-1, 4]}, "0 or more"),
        ({"datatype": "FLOAT"}, "use one of"),
        ({"datatype": "INT32"}, "int_contents"),
        ({"int_contents": [1]}, "int_contents is filled"),
        ({"raw": [bytes(16)]}, "one or the other"),
        ({"raw": [b"", b""]}, "2 entries for 1 tensors"),
        ({"again": True}, "given twice"),
    ],
)
def test_a_broken_request_is_refused_with_its_reason(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_inputs(broken(**changes))


def test_an_element_outside_its_datatype_is_refused() -> None:
    request = pb.ModelInferRequest()
    request.inputs.add(name="x", datatype="UINT8", shape=[1]).contents.uint_contents.append(300)
    with pytest.raises(InvalidInput, match="outside 0 to 255"):
        read_inputs(request)


def test_raw_bytes_that_do_not_fill_the_shape_are_refused() -> None:
    request = infer_request("m", "", [("x", "FP32", np.zeros(3, np.float32))])
    request.inputs[0].shape[0] = 4
    with pytest.raises(InvalidInput, match="needs 16 bytes, got 12"):
        read_inputs(request)


def test_a_foreign_answer_that_breaks_the_protocol_is_the_members_failure() -> None:
    response = infer_response("m", "1", {"y": np.zeros(3, np.float32)})
    response.outputs[0].shape[0] = 9
    with pytest.raises(MemberError, match="cannot be read"):
        read_outputs(response)


def test_selected_outputs_come_in_the_order_asked_for_and_unknown_ones_are_refused() -> None:
    outputs = {"a": np.zeros(1), "b": np.ones(1)}
    assert list(selected(outputs, infer_request("m", "", [], ("b", "a")))) == ["b", "a"]
    assert list(selected(outputs, infer_request("m", "", []))) == ["a", "b"]
    with pytest.raises(InvalidInput, match="the outputs are a, b"):
        selected(outputs, infer_request("m", "", [], ("c",)))


def test_rows_must_agree_and_stay_within_the_limit() -> None:
    assert rows_of({"a": np.zeros(3), "b": np.zeros((3, 2))}) == 3
    with pytest.raises(InvalidInput, match="'b' has 2 rows"):
        rows_of({"a": np.zeros(3), "b": np.zeros(2)})
    with pytest.raises(InvalidInput, match="no dimensions"):
        rows_of({"a": np.array(1.0)})
    with pytest.raises(InvalidInput, match="at least one"):
        rows_of({})
    with pytest.raises(TooLarge, match="takes 2 at once"):
        rows_of({"a": np.zeros(3)}, max_rows=2)


def test_an_empty_contents_message_beside_raw_contents_says_nothing() -> None:
    response = infer_response("m", "1", {"p": np.ones((2, 3), np.float32)})
    response.outputs[0].contents.SetInParent()  # as MLServer sends it
    assert read_outputs(response)["p"].shape == (2, 3)
