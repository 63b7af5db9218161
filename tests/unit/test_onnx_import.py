"""A user's ONNX file becomes a member that answers, or is refused with what does not fit and how to mend it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from quorate.artifacts import Artifact
from quorate.ensemble import Columns, Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.serving.backends.onnx import OnnxBackend
from quorate.serving.model import ServedModel
from quorate.serving.onnx_import import import_onnx
from quorate.views import load_preprocessor
from tests.support.onnx_models import (
    FLOAT,
    INT64,
    STRING,
    TOKENIZER,
    linear_model,
    onnx_model,
    picture_model,
    text_model,
)

LABELS = ("a", "b", "c")


def imported(model: bytes, view: str = "tabular", **options: Any) -> Artifact:
    return import_onnx(model, name="mine", version=1, view=view, **{"labels": LABELS, **options})


def answer(artifact: Artifact, columns: Columns) -> np.ndarray:
    manifest = artifact.manifest
    preprocessors = {
        view: load_preprocessor(
            view, manifest.preprocessing[view], {"tokenizer.json": TOKENIZER} if view == "text" else {}
        )
        for view in manifest.preprocessing
    }
    (array,) = ServedModel(manifest, preprocessors, OnnxBackend(artifact.files["model.onnx"])).predict(columns).values()
    return array


def cells(*values: bytes) -> np.ndarray:
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def test_a_matrix_is_filled_by_its_columns_in_order() -> None:
    artifact = imported(linear_model(), columns=("z", "y", "x"))
    columns = {"x": np.array([1.0]), "y": np.array([2]), "z": np.array([[3.0]])}
    scores = np.array([[3.0, 2.0, 1.0]]) @ np.random.default_rng(0).normal(size=(3, 3))
    np.testing.assert_allclose(answer(artifact, columns), np.exp(scores) / np.exp(scores).sum(), rtol=1e-5)
    assert artifact.manifest.output == "probabilities"


def test_columns_without_names_are_numbered() -> None:
    artifact = imported(linear_model(name="input"))
    assert [column["name"] for column in artifact.manifest.preprocessing["tabular"]["columns"]] == ["x0", "x1", "x2"]


def test_scores_that_do_not_sum_to_one_are_logits() -> None:
    artifact = imported(linear_model(softmax=False))
    assert artifact.manifest.output == "logits"
    probabilities = answer(artifact, {f"x{index}": np.ones(2) for index in range(3)})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_one_input_a_column_takes_numbers_and_strings() -> None:
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["kind"],
            ["code"],
            domain="ai.onnx.ml",
            keys_strings=["x", "y"],
            values_floats=[1.0, 2.0],
            default_float=0.0,
        ),
        helper.make_node("Cast", ["age"], ["years"], to=FLOAT),
        helper.make_node("Concat", ["code", "years", "weight"], ["scores"], axis=1),
    ]
    model = onnx_model(
        nodes,
        [("kind", STRING, ["N", 1]), ("age", INT64, ["N", 1]), ("weight", FLOAT, ["N", 1])],
        [("scores", FLOAT, ["N", 3])],
    )
    artifact = imported(model)
    columns = {"kind": cells(b"y", b"?"), "age": np.array([1.0, 2.0]), "weight": np.array([0.5, 0.5])}
    expected = np.exp([[2.0, 1.0, 0.5], [0.0, 2.0, 0.5]])
    np.testing.assert_allclose(answer(artifact, columns), expected / expected.sum(axis=1, keepdims=True), rtol=1e-5)
    with pytest.raises(InvalidRows, match="whole numbers"):
        answer(artifact, {**columns, "age": np.array([1.0, np.nan])})
    with pytest.raises(InvalidRows, match=r"(?i)utf-8"):
        answer(artifact, {**columns, "kind": cells(b"y", b"\xff")})


@pytest.mark.parametrize(("shape", "axes"), [(["N", 1, 8, 8], [2, 3]), (["N", 8, 8, 1], [1, 2])])
def test_pictures_come_channels_first_or_last_as_the_model_takes_them(shape: list[Any], axes: list[int]) -> None:
    model = picture_model(shape, axes)
    artifact = imported(model, "image", labels=("dark", "light"))
    probabilities = answer(artifact, {"image": np.full((1, 8, 8), 51, np.uint8)})
    np.testing.assert_allclose(probabilities[0, 0], 1 / (1 + np.exp(1)), rtol=1e-4)


@pytest.mark.parametrize("length", ["L", 6])
def test_tokens_mask_and_segments_are_fed_to_a_transformer(length: int | str) -> None:
    artifact = imported(
        text_model("attention_mask", "token_type_ids", length=length), "text", labels=("x", "y"), tokenizer=TOKENIZER
    )
    probabilities = answer(artifact, {"text": cells(b"bad", b"bad bad bad")})
    np.testing.assert_allclose(probabilities[:, 0], 1 / (1 + np.exp([-1.0, -3.0])), rtol=1e-5)
    assert artifact.manifest.preprocessing["text"]["pad"] == 3


def test_a_model_of_strings_gets_the_text_itself() -> None:
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["said"],
            ["label"],
            domain="ai.onnx.ml",
            keys_strings=["yes"],
            values_strings=["b"],
            default_string="a",
        )
    ]
    artifact = imported(onnx_model(nodes, [("said", STRING, ["N"])], [("label", STRING, ["N"])]), "text")
    assert artifact.manifest.output == "label"
    assert answer(artifact, {"text": cells(b"yes", b"no")}).tolist() == [[0, 1, 0], [1, 0, 0]]


def test_a_regression_answers_values() -> None:
    artifact = imported(linear_model(classes=1, softmax=False), labels=(), task=Task.REGRESSION)
    assert artifact.manifest.output == "value"
    assert answer(artifact, {f"x{index}": np.zeros(2) for index in range(3)}).tolist() == [0.0, 0.0]


def zip_map() -> bytes:
    node = helper.make_node(
        "ZipMap", ["features"], ["probabilities"], domain="ai.onnx.ml", classlabels_strings=list(LABELS)
    )
    graph = helper.make_graph(
        [node],
        "model",
        [helper.make_tensor_value_info("features", FLOAT, ["N", 3])],
        [
            helper.make_value_info(
                "probabilities",
                helper.make_sequence_type_proto(
                    helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, []))
                ),
            )
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString())


@pytest.mark.parametrize(
    ("model", "view", "options", "reason"),
    [
        (b"no onnx at all", "tabular", {}, "not an ONNX model"),
        (linear_model(), "tabular", {"columns": ("a", "b")}, "takes 3 columns, and 2 are named"),
        (linear_model(classes=4), "tabular", {}, "holds 3 scores a row"),
        (linear_model(), "tabular", {"output": "nope"}, "no tensor 'nope'"),
        (linear_model(), "tabular", {"labels": ("a",)}, "two labels or more"),
        (linear_model(), "tabular", {"labels": ("a", "a", "b")}, "given twice"),
        (linear_model(), "image", {}, r"\[N,C,H,W\]"),
        (linear_model(), "text", {}, "strings or token ids"),
        (linear_model(), "image", {"columns": ("a",)}, "columns belong to"),
        (linear_model(), "audio", {}, "text, image or tabular"),
        (text_model(), "text", {"labels": ("x", "y")}, "--tokenizer"),
        (zip_map(), "tabular", {}, "'zipmap': False"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_with_its_remedy(
    model: bytes, view: str, options: Any, reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        imported(model, view, **options)


def test_a_fixed_batch_size_is_refused() -> None:
    nodes = [helper.make_node("Softmax", ["x"], ["y"], axis=1)]
    with pytest.raises(InvalidInput, match="dynamic first dimension"):
        imported(onnx_model(nodes, [("x", FLOAT, [1, 3])], [("y", FLOAT, [1, 3])]))
