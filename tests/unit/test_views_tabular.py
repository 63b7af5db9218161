"""The view `tabular`: training and serving see the same features, and a wrong cell is named."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.ensemble import InputBinding
from quorate.errors import InvalidInput, InvalidRows, InvalidSpec
from quorate.views import fit_preprocessor, load_preprocessor, view_inputs


def cells(*values: object) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


COLUMNS = {"age": np.array([1.0, 3.0, np.nan]), "colour": cells(b"red", b"blue", b"red"), "legs": np.array([2, 4, 4])}


def features(parameters: dict[str, Any], **columns: Any) -> Any:
    return load_preprocessor("tabular", parameters).transform(columns)["features"]


def test_codes_keep_the_columns_order_and_leave_missing_as_nan() -> None:
    fitted = fit_preprocessor("tabular", COLUMNS, {"encoding": "codes"})
    result = fitted.transform(COLUMNS)["features"]
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, [[1, 0, 2], [3, 1, 4], [np.nan, 0, 4]])


def test_onehot_standardises_imputes_and_marks_what_was_missing() -> None:
    fitted = fit_preprocessor("tabular", COLUMNS, {"encoding": "onehot"})
    result = fitted.transform(COLUMNS)["features"]
    # age, legs, age missing, red, blue
    np.testing.assert_allclose(result[:, 0], [-1, 1, 0], atol=1e-6)
    np.testing.assert_allclose(result[:, 1].mean(), 0, atol=1e-6)
    np.testing.assert_array_equal(result[:, 2:], [[0, 1, 0], [0, 0, 1], [1, 1, 0]])


def test_imputing_and_scaling_may_be_chosen_apart_from_the_encoding() -> None:
    trees = fit_preprocessor("tabular", COLUMNS, {"encoding": "onehot", "missing": "nan", "scale": False})
    np.testing.assert_array_equal(trees.transform(COLUMNS)["features"], [[1, 2, 1, 0], [3, 4, 0, 1], [np.nan, 4, 1, 0]])
    filled = fit_preprocessor("tabular", COLUMNS, {"encoding": "onehot", "missing": "impute", "scale": False})
    assert filled.transform(COLUMNS)["features"][:, 0].tolist() == [1, 3, 2]
    scaled = fit_preprocessor("tabular", COLUMNS, {"encoding": "codes", "scale": True})
    assert scaled.transform(COLUMNS)["features"][:2, 0].tolist() == [-1, 1]


@pytest.mark.parametrize("encoding", ["codes", "onehot"])
def test_parameters_survive_json(encoding: str) -> None:
    fitted = fit_preprocessor("tabular", COLUMNS, {"encoding": encoding})
    again = load_preprocessor("tabular", json.loads(json.dumps(fitted.parameters())))
    np.testing.assert_array_equal(again.transform(COLUMNS)["features"], fitted.transform(COLUMNS)["features"])
    assert again.parameters() == fitted.parameters()
    assert view_inputs("tabular", fitted.parameters()) == fitted.inputs
    assert fitted.inputs[:2] == (
        InputBinding("age", "FP64", ("age",)),
        InputBinding("colour", "BYTES", ("colour",)),
    )


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6) | st.just(float("nan")), st.text(max_size=2)), min_size=2, max_size=9),
    st.sampled_from(["codes", "onehot"]),
)
def test_a_row_alone_gives_what_it_gives_in_a_batch(rows: list[tuple[float, str]], encoding: str) -> None:
    columns = {"x": np.array([x for x, _ in rows] + [0.0]), "c": cells(*[c.encode() for _, c in rows], b"z")}
    fitted = fit_preprocessor("tabular", columns, {"encoding": encoding})
    batch = fitted.transform(columns)["features"]
    single = [fitted.transform({n: c[i : i + 1] for n, c in columns.items()})["features"] for i in range(len(batch))]
    np.testing.assert_array_equal(np.concatenate(single), batch)


def test_text_and_bytes_mean_the_same_category() -> None:
    parameters = {"columns": [{"name": "c", "kind": "categorical", "categories": ["é", "true", "3"]}]}
    assert features(parameters, c=cells("é", "é".encode()))[:, 0].tolist() == [0, 0]
    assert features(parameters, c=np.array([True]))[0, 0] == 1
    assert features(parameters, c=np.array([3]))[0, 0] == 2


def test_an_unknown_or_missing_category_is_nan_as_code_and_nothing_as_onehot() -> None:
    columns = [{"name": "c", "kind": "categorical", "categories": ["a", "b"]}]
    assert np.isnan(features({"columns": columns}, c=cells(b"new", b""))).all()
    assert not features({"columns": columns, "encoding": "onehot"}, c=cells(b"new", b"")).any()


def test_rare_categories_past_the_limit_are_unknown() -> None:
    fitted = fit_preprocessor("tabular", {"c": cells(*[b"a"] * 3, *[b"b"] * 2, b"c")}, {"max_categories": 2})
    assert fitted.parameters()["columns"][0]["categories"] == ["a", "b"]


def test_a_users_own_parameters_stack_plain_numbers() -> None:
    parameters = {"columns": [{"name": "a", "kind": "numeric"}, {"name": "b"}], "encoding": "codes", "mean": None}
    np.testing.assert_array_equal(features(parameters, a=np.array([1, 2]), b=np.array([True, False])), [[1, 1], [2, 0]])
    scaled = {**parameters, "mean": [1.0, 0.0], "std": [2.0, 0.5]}
    np.testing.assert_array_equal(features(scaled, a=np.array([3.0]), b=np.array([1.0])), [[1, 2]])


def test_no_rows_give_no_features() -> None:
    fitted = fit_preprocessor("tabular", COLUMNS, {"encoding": "onehot"})
    assert fitted.transform({name: column[:0] for name, column in COLUMNS.items()})["features"].shape == (0, 5)


@pytest.mark.parametrize("bad", [float("inf"), float("-inf"), 1e300])
def test_an_infinite_number_names_its_row_and_column(bad: float) -> None:
    fitted = fit_preprocessor("tabular", COLUMNS)
    with pytest.raises(InvalidRows, match="column 'age' is infinite") as raised:
        fitted.transform({**COLUMNS, "age": np.array([1.0, bad, 2.0])})
    assert list(raised.value.reasons) == [1]
    with pytest.raises(InvalidRows):
        fit_preprocessor("tabular", {"x": np.array([1.0, float("inf")])})


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("age", cells(b"1", b"2", b"3"), "'age' holds text; send numbers"),
        ("age", cells("1", "2", "3"), "'age' holds text; send numbers"),
        ("age", np.ones((3, 1)), r"'age' has shape \[3, 1\]"),
        ("age", np.ones(2), "number of rows"),
        ("age", np.ones(3, dtype=complex), "'age' holds complex128"),
        ("colour", np.ones(3), "'colour' holds float64; send categories"),
        ("colour", cells([1], [2], [3]), "no strings"),
    ],
)
def test_a_column_of_the_wrong_kind_is_named(column: str, value: Any, expected: str) -> None:
    fitted = fit_preprocessor("tabular", COLUMNS)
    with pytest.raises(InvalidInput, match=expected):
        fitted.transform({**COLUMNS, column: value})


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(InvalidInput, match="'age' is missing; the columns given are: legs"):
        fit_preprocessor("tabular", COLUMNS).transform({"legs": COLUMNS["legs"]})


def test_a_category_that_is_no_utf8_rejects_its_row() -> None:
    fitted = fit_preprocessor("tabular", COLUMNS)
    with pytest.raises(InvalidRows) as raised:
        fitted.transform({**COLUMNS, "colour": cells(b"new", b"\xff", None)})
    assert list(raised.value.reasons) == [1, 2]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, "need `columns`"),
        ({"columns": []}, "columns"),
        ({"columns": ["a"]}, "columns"),
        ({"columns": [{"kind": "numeric"}], "mean": [1.0]}, "columns"),
        ({"columns": [{"name": "a", "kind": "date"}]}, "kind"),
        ({"columns": [{"name": "a", "std": 0}]}, "std"),
        ({"columns": [{"name": "a", "mean": float("nan")}]}, "mean"),
        ({"columns": [{"name": "a"}], "surprise": 1}, "surprise"),
        ({"columns": [{"name": "a"}, {"name": "a"}]}, "more than once"),
        ({"columns": [{"name": "a"}], "mean": [1.0, 2.0]}, "2 numbers for 1"),
        ({"columns": [{"name": "a", "kind": "categorical", "categories": ["x", "x"]}]}, "more than once"),
    ],
)
def test_parameters_that_do_not_fit_are_refused_by_field(parameters: dict[str, Any], expected: str) -> None:
    with pytest.raises(InvalidSpec, match=expected):
        load_preprocessor("tabular", parameters)


def test_options_and_empty_columns_are_refused() -> None:
    with pytest.raises(InvalidSpec, match="surprise"):
        fit_preprocessor("tabular", COLUMNS, {"surprise": 1})
    with pytest.raises(InvalidInput, match="no columns"):
        fit_preprocessor("tabular", {})
    with pytest.raises(InvalidInput, match="no value in any row"):
        fit_preprocessor("tabular", {"x": np.array([np.nan])}, {"encoding": "onehot"})
