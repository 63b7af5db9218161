"""Whatever a member answers in becomes probabilities in the order of its labels, or is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from quorate.ensemble import InputBinding, Member, OutputBinding, Task
from quorate.errors import InvalidInput, MemberError
from quorate.oip.client import member_request
from quorate.oip.messages import read_inputs
from quorate.oip.outputs import member_output

MEMBER = Member("m", 1, ("tabular",), Task.CLASSIFICATION, ("a", "b", "c"), (), OutputBinding("y", "probabilities"))


def output(kind: str, array: Any, **changes: Any) -> np.ndarray:
    member = replace(MEMBER, output=OutputBinding("y", kind), **changes)
    array = np.asarray(array)
    return member_output(member, {"y": array}, len(array))


@pytest.mark.parametrize(
    ("kind", "array", "expected"),
    [
        ("probabilities", [[0.2, 0.3, 0.5]], [[0.2, 0.3, 0.5]]),
        ("logits", np.log([[0.2, 0.3, 0.5]]) + 7, [[0.2, 0.3, 0.5]]),
        ("label", np.array([b"b", b"a"], dtype=object), [[0, 1, 0], [1, 0, 0]]),
        ("label", np.array([["c"]], dtype=object), [[0, 0, 1]]),
        ("index", np.array([2, 0]), [[0, 0, 1], [1, 0, 0]]),
    ],
)
def test_every_kind_becomes_probabilities(kind: str, array: Any, expected: Any) -> None:
    np.testing.assert_allclose(output(kind, array), expected, atol=1e-6)


def test_a_multilabel_members_logits_are_independent() -> None:
    np.testing.assert_allclose(output("logits", [[0.0, 50, -50]], task=Task.MULTILABEL), [[0.5, 1, 0]], atol=1e-6)


def test_a_regressions_values_are_a_column() -> None:
    assert output("value", [1.0, 2.0], task=Task.REGRESSION, labels=()).tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("kind", "array", "reason"),
    [
        ("probabilities", [[0.2, 0.8]], r"expected \[N, 3\]"),
        ("probabilities", [[0.9, 0.9, 0.9]], "do not sum to 1"),
        ("probabilities", [[5.0, -4.0, 0.0]], "kind: logits"),
        ("probabilities", [[np.nan, 0.5, 0.5]], "NaN"),
        ("probabilities", np.array([[b"x"] * 3], dtype=object), "expected numbers"),
        ("label", np.array([b"d"], dtype=object), "labels are a, b, c"),
        ("index", [3], "outside its 3 labels"),
        ("index", [0.5], "an index is an integer"),
        ("index", [[0, 1]], r"expected \[N\]"),
    ],
)
def test_what_does_not_fit_is_the_members_failure(kind: str, array: Any, reason: str) -> None:
    with pytest.raises(MemberError, match=reason):
        output(kind, array)


def test_a_missing_output_or_another_number_of_rows_is_the_members_failure() -> None:
    with pytest.raises(MemberError, match="expected output 'y'"):
        member_output(MEMBER, {"z": np.zeros((1, 3))}, 1)
    with pytest.raises(MemberError, match="for 2 rows"):
        member_output(MEMBER, {"y": np.ones((1, 3)) / 3}, 2)


def bound(*bindings: InputBinding) -> Member:
    return replace(MEMBER, inputs=bindings, model="theirs", model_version="4")


def test_columns_are_stacked_and_cast_as_the_members_server_takes_them() -> None:
    member = bound(InputBinding("x", "FP32", ("b", "a"), "matrix"), InputBinding("kind", "BYTES", ("kind",)))
    columns = {"a": np.array([1.0, 2.0]), "b": np.array([3, 4]), "kind": np.array([7, 8])}
    request = member_request(member, columns)
    sent = read_inputs(request)
    assert (request.model_name, request.model_version, request.outputs[0].name) == ("theirs", "4", "y")
    assert sent["x"].dtype == np.float32
    assert sent["x"].tolist() == [[3, 1], [4, 2]]
    assert sent["kind"].tolist() == [b"7", b"8"]


def test_pictures_travel_as_files_or_as_pixels() -> None:
    member = bound(InputBinding("image", "BYTES", ("image",)))
    assert member_request(member, {"image": np.zeros((1, 4, 4), np.uint8)}).inputs[0].datatype == "UINT8"
    assert member_request(member, {"image": np.array([b"png"], dtype=object)}).inputs[0].datatype == "BYTES"


@pytest.mark.parametrize(
    ("binding", "column", "reason"),
    [
        (InputBinding("x", "FP32", ("a", "b"), "matrix"), np.zeros(1), "column 'b' is missing"),
        (InputBinding("x", "FP32", ("z",)), np.zeros(1), "m reads z"),
        (InputBinding("x", "FP32", ("a",)), np.array([b"x"], dtype=object), "takes FP32"),
        (InputBinding("x", "BYTES", ("a",)), np.zeros(1), "takes BYTES"),
        (InputBinding("x", "INT32", ("a",)), np.array([np.nan]), "missing or infinite"),
        (InputBinding("x", "INT32", ("a",)), np.array([1.5]), "without loss"),
    ],
)
def test_columns_that_cannot_fill_a_tensor_are_refused(binding: InputBinding, column: np.ndarray, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        member_request(bound(binding), {"a": column})
