"""Members on other servers, described from what those say of their models."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quorate.cli.foreign import Given, Metadata, Tensor, foreign_member
from quorate.ensemble import InputBinding, OutputBinding, Task
from quorate.errors import InvalidInput

MATRIX = Tensor("x", "FP32", (-1, 3))
SCORES = Tensor("scores", "FP32", (-1, 2))
GIVEN = Given(name="churn", view="tabular", model="m", labels=("stay", "leave"), columns=("a", "b", "c"))


def test_a_matrix_takes_the_columns_in_order() -> None:
    member = foreign_member(GIVEN, Metadata((MATRIX,), (SCORES,)))
    assert member.inputs == (InputBinding("x", "FP32", ("a", "b", "c"), "matrix"),)
    assert member.output == OutputBinding("scores", "probabilities")
    assert (member.version, member.model, member.labels, member.task) == (
        0,
        "m",
        ("stay", "leave"),
        Task.CLASSIFICATION,
    )


def test_a_tensor_a_column_is_bound_by_name_or_in_order() -> None:
    tensors = (Tensor("age", "FP64", (-1, 1)), Tensor("city", "BYTES", (-1,)))
    by_name = foreign_member(replace(GIVEN, columns=()), Metadata(tensors, (SCORES,)))
    assert by_name.inputs == (
        InputBinding("age", "FP64", ("age",), "matrix"),
        InputBinding("city", "BYTES", ("city",), "column"),
    )
    in_order = foreign_member(replace(GIVEN, columns=("years", "town")), Metadata(tensors, (SCORES,)))
    assert in_order.columns == ("years", "town")


def test_our_own_metadata_says_labels_task_and_output() -> None:
    properties = {"labels": '["a", "b"]', "task": "classification"}
    outputs = (Tensor("probabilities", "FP32", (-1, 2)), Tensor("label", "BYTES", (-1,)))
    given = Given(name="t", view="text", model="pets")
    member = foreign_member(given, Metadata((Tensor("text", "BYTES", (-1,)),), outputs, properties))
    assert (member.labels, member.output.tensor) == (("a", "b"), "probabilities")
    assert member.inputs == (InputBinding("text", "BYTES", ("text",)),)


@pytest.mark.parametrize(
    ("datatype", "task", "kind"),
    [
        ("BYTES", None, "label"),
        ("INT64", None, "index"),
        ("FP32", None, "probabilities"),
        ("FP32", "regression", "value"),
    ],
)
def test_the_output_s_datatype_says_what_stands_in_it(datatype: str, task: str | None, kind: str) -> None:
    output = Tensor("out", datatype, (-1,))
    given = replace(GIVEN, task=Task(task) if task else None)
    assert foreign_member(given, Metadata((MATRIX,), (output,))).output == OutputBinding("out", kind)


def test_a_server_that_is_silent_on_its_model_is_described_by_options() -> None:
    given = replace(GIVEN, input="predict:FP64", output="proba", output_kind="logits")
    member = foreign_member(given, Metadata((), ()))
    assert member.inputs == (InputBinding("predict", "FP64", ("a", "b", "c"), "matrix"),)
    assert member.output == OutputBinding("proba", "logits")


@pytest.mark.parametrize(
    ("changes", "metadata", "message"),
    [
        ({"labels": ()}, Metadata((MATRIX,), (SCORES,)), "--labels a,b,c"),
        ({"columns": ()}, Metadata((MATRIX,), (SCORES,)), "name its 3 columns in order: --columns"),
        ({"columns": ("a",)}, Metadata((MATRIX,), (SCORES,)), r"takes 3 columns in x FP32 \[-1, 3\], and 1 are given"),
        ({"labels": ("a", "b", "c")}, Metadata((MATRIX,), (SCORES,)), "has 2 scores a row, and there are 3 labels"),
        ({}, Metadata((MATRIX,), (SCORES, replace(SCORES, name="more"))), "name one: --output TENSOR"),
        ({"output": "none"}, Metadata((MATRIX,), (SCORES,)), "no output 'none'; it answers scores FP32"),
        ({}, Metadata((), (SCORES,)), "--input TENSOR:DATATYPE"),
        ({"input": "x:FLOAT"}, Metadata((), (SCORES,)), "--input is 'x:FLOAT'"),
        ({"view": "image", "columns": ()}, Metadata((MATRIX,), (SCORES,)), "takes it in one BYTES or UINT8 tensor"),
        ({"view": "text"}, Metadata((MATRIX,), (SCORES,)), "columns belong to the view 'tabular'"),
    ],
)
def test_what_does_not_fit_is_named_with_the_option_that_helps(
    changes: dict[str, object], metadata: Metadata, message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        foreign_member(replace(GIVEN, **changes), metadata)  # type: ignore[arg-type]
