"""A worker process answers the Open Inference Protocol as its clients expect, and outlives bad requests."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from onnx import helper
from PIL import Image

from quorate.artifacts import member_of
from quorate.errors import InvalidRows, MemberError
from quorate.oip import MemberClient, infer_request, read_outputs
from quorate.rpc.inference import grpc_service_pb2 as pb
from quorate.serving.onnx_import import import_onnx
from quorate.statuses import error_from_rpc
from tests.support.onnx_models import FLOAT, STRING, TOKENIZER, linear_model, onnx_model, picture_model, text_model
from tests.support.workers import Worker, open_home, worker

LABELS = ("ä", "b", "c")


def fragile_model() -> bytes:
    """Gives NaN for x0 above 5, and fails for any row that says `crash`."""
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["word"],
            ["shape"],
            domain="ai.onnx.ml",
            keys_strings=["crash"],
            values_int64s=[7],
            default_int64=3,
        ),
        helper.make_node("ReduceMax", ["shape"], ["width"], keepdims=0),
        helper.make_node("Unsqueeze", ["width", "axis"], ["widths"]),
        helper.make_node("Concat", ["all_rows", "widths"], ["dims"], axis=0),
        helper.make_node("Sub", ["five", "x0"], ["left"]),
        helper.make_node("Sqrt", ["left"], ["root"]),
        helper.make_node("Concat", ["root", "root", "root"], ["three"], axis=1),
        helper.make_node("Reshape", ["three", "dims"], ["scores"]),
    ]
    weights = {"axis": np.array([0]), "all_rows": np.array([-1]), "five": np.array([[5.0]], np.float32)}
    return onnx_model(
        nodes, [("x0", FLOAT, ["N", 1]), ("word", STRING, ["N", 1])], [("scores", FLOAT, ["N", "C"])], weights
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    home = open_home(tmp_path_factory.mktemp("home"))
    home.register(import_onnx(linear_model(), name="tab", version=1, view="tabular", labels=LABELS))
    home.register(import_onnx(fragile_model(), name="tab", version=2, view="tabular", labels=LABELS))
    home.register(import_onnx(linear_model(seed=3), name="tab", version=3, view="tabular", labels=LABELS))
    with worker(home, "tab", max_rows=100, max_message_bytes=100_000) as process:
        for version in "123":
            process.wait_ready("tab", version)
        yield process


def columns(rows: int = 2, datatype: str = "FP64", **changes: Any) -> list[tuple[str, str, np.ndarray]]:
    values = {f"x{index}": np.arange(rows, dtype=np.float64) + index for index in range(3)} | changes
    return [(name, datatype, np.asarray(array)) for name, array in values.items() if array is not None]


def status(served: Worker, request: pb.ModelInferRequest) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        served.infer(request)
    assert served.infer(infer_request("tab", "1", columns())).outputs
    error: Any = caught.value
    return error.code(), error.details()


def test_an_answer_is_raw_probabilities_with_the_id_echoed(served: Worker) -> None:
    response = served.infer(infer_request("tab", "", columns(), id="seven"))
    assert (response.model_name, response.model_version, response.id) == ("tab", "3", "seven")
    assert [output.name for output in response.outputs] == ["probabilities"]
    assert not response.outputs[0].HasField("contents")
    probabilities = read_outputs(response)["probabilities"]
    assert probabilities.shape == (2, 3)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("datatype", ["FP64", "FP32", "FP16", "INT64", "INT8", "UINT32"])
def test_numbers_of_any_datatype_mean_the_same(served: Worker, datatype: str) -> None:
    kinds = {"FP16": np.float16, "FP32": np.float32, "INT64": np.int64, "INT8": np.int8, "UINT32": np.uint32}
    cast = [(name, datatype, array.astype(kinds.get(datatype, np.float64))) for name, _, array in columns()]
    expected = read_outputs(served.infer(infer_request("tab", "1", columns())))["probabilities"]
    np.testing.assert_allclose(read_outputs(served.infer(infer_request("tab", "1", cast)))["probabilities"], expected)


def test_typed_contents_mean_the_same_as_raw_ones(served: Worker) -> None:
    request = pb.ModelInferRequest(model_name="tab", model_version="1")
    for name, datatype, array in columns():
        request.inputs.add(name=name, datatype=datatype, shape=[2, 1]).contents.fp64_contents.extend(array.tolist())
    expected = read_outputs(served.infer(infer_request("tab", "1", columns())))["probabilities"]
    assert (read_outputs(served.infer(request))["probabilities"] == expected).all()


@pytest.mark.parametrize(
    ("request_message", "code", "named"),
    [
        (infer_request("nope", "", columns()), "NOT_FOUND", "nope"),
        (infer_request("tab", "9", columns()), "NOT_FOUND", "9"),
        (infer_request("tab", "one", columns()), "NOT_FOUND", "one"),
        (infer_request("tab", "", columns(extra=np.zeros(2))), "INVALID_ARGUMENT", "extra"),
        (infer_request("tab", "", columns(x1=None)), "INVALID_ARGUMENT", "x1"),
        (infer_request("tab", "", columns(x1=np.zeros(3))), "INVALID_ARGUMENT", "x1"),
        (infer_request("tab", "", columns(x1=np.zeros((2, 2)))), "INVALID_ARGUMENT", "x1"),
        (infer_request("tab", "", []), "INVALID_ARGUMENT", "no inputs"),
        (infer_request("tab", "", [*columns(), *columns()]), "INVALID_ARGUMENT", "twice"),
        (infer_request("tab", "", columns(), outputs=["logits"]), "INVALID_ARGUMENT", "logits"),
        (infer_request("tab", "", [("x0", "BYTES", np.array([b"a"], dtype=object))]), "INVALID_ARGUMENT", "x0"),
        (infer_request("tab", "", columns(rows=101)), "RESOURCE_EXHAUSTED", "101 rows"),
        (infer_request("tab", "", columns(rows=9000)), "RESOURCE_EXHAUSTED", "larger than max"),
    ],
)
def test_a_bad_request_gets_its_status_and_the_worker_goes_on(
    served: Worker, request_message: pb.ModelInferRequest, code: str, named: str
) -> None:
    got, message = status(served, request_message)
    assert got.name == code
    assert named in message


def test_rows_that_cannot_be_used_are_named(served: Worker) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        served.infer(infer_request("tab", "1", columns(rows=4, x2=np.array([0, np.inf, 0, -np.inf]))))
    error = error_from_rpc(caught.value)
    assert isinstance(error, InvalidRows)
    assert sorted(error.reasons) == [1, 3]


def word(*values: bytes) -> tuple[str, str, np.ndarray]:
    return ("word", "BYTES", np.array(values, dtype=object))


@pytest.mark.parametrize(("x0", "said"), [(9.0, b"fine"), (1.0, b"crash")])
def test_a_models_own_failure_is_internal_and_the_worker_goes_on(served: Worker, x0: float, said: bytes) -> None:
    rows = [("x0", "FP64", np.array([x0, 1.0])), word(said, b"fine")]
    code, message = status(served, infer_request("tab", "2", rows))
    assert code is grpc.StatusCode.INTERNAL
    assert "NaN" in message or "failed" in message


def test_no_rows_in_no_rows_out(served: Worker) -> None:
    assert read_outputs(served.infer(infer_request("tab", "1", columns(rows=0))))["probabilities"].shape == (0, 3)


def test_metadata_describes_the_model_and_its_labels(served: Worker) -> None:
    server = served.stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (server.name, list(server.extensions)) == ("quorate-worker", ["model_repository"])
    metadata = served.stub.ModelMetadata(pb.ModelMetadataRequest(name="tab", version="1"))
    assert metadata.platform == "onnxruntime_onnx"
    assert list(metadata.versions) == ["1", "2", "3"]
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs] == [
        (f"x{index}", "FP64", [-1]) for index in range(3)
    ]
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.outputs] == [
        ("probabilities", "FP32", [-1, 3])
    ]
    assert json.loads(metadata.properties["labels"]) == list(LABELS)
    assert (metadata.properties["task"], metadata.properties["views"]) == ("classification", "tabular")


def test_health_and_reflection_are_served(served: Worker) -> None:
    with grpc.insecure_channel(served.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "inference.GRPCInferenceService"):
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == 1
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([ask]))
    names = {service.name for service in answer.list_services_response.service}
    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names


async def test_the_members_client_asks_a_worker(served: Worker) -> None:
    member = member_of(import_onnx(linear_model(), name="tab", version=1, view="tabular", labels=LABELS).manifest)
    items = {f"x{index}": np.arange(2.0) for index in range(3)}
    async with grpc.aio.insecure_channel(served.address) as channel:
        client = MemberClient(channel)
        assert await client.ready(member)
        assert (await client.infer(member, items, 10)).shape == (2, 3)
        with pytest.raises(InvalidRows):
            await client.infer(member, items | {"x0": np.array([0, np.inf])}, 10)
        fragile = replace(member, model_version="2", inputs=(replace(member.inputs[0], tensor="x0"),))
        with pytest.raises(Exception, match="word is missing") as caught:
            await client.infer(fragile, {"x0": np.array([1.0])}, 10)
        assert not isinstance(caught.value, MemberError)


@pytest.mark.parametrize(
    ("view", "model", "good", "bad"),
    [
        ("text", text_model("attention_mask"), b"bad good", b"\xff"),
        ("image", picture_model(), None, b"no picture"),
    ],
)
def test_the_workers_of_text_and_pictures_answer_and_name_what_they_cannot_read(
    tmp_path: Path, view: str, model: bytes, good: bytes | None, bad: bytes
) -> None:
    home = open_home(tmp_path)
    tokenizer = TOKENIZER if view == "text" else None
    home.register(import_onnx(model, name="m", version=1, view=view, labels=("x", "y"), tokenizer=tokenizer))
    png = io.BytesIO()
    Image.new("L", (20, 10), 200).save(png, "PNG")
    cell = good or png.getvalue()
    with worker(home, "m", view=view) as served:
        served.wait_ready("m")
        item = (view, "BYTES", np.array([cell, cell], dtype=object))
        probabilities = read_outputs(served.infer(infer_request("m", "", [item])))["probabilities"]
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        item = (view, "BYTES", np.array([cell, bad, cell], dtype=object))
        with pytest.raises(grpc.RpcError) as caught:
            served.infer(infer_request("m", "", [item]))
        error = error_from_rpc(caught.value)
        assert isinstance(error, InvalidRows)
        assert list(error.reasons) == [1]
        assert served.stop() == 0
