"""Roles of columns: guessed with a reason, given where the user knows better, and kept as JSON."""

import json

import numpy as np
import pyarrow as pa
import pytest

from quorate.ensemble import InputBinding, Member, Task
from quorate.errors import InvalidInput, InvalidRows, InvalidSpec
from quorate.tables import Roles, infer_roles, infer_task, labels_of, roles_of_members, targets_of

N = 40
PNG = b"\x89PNG\r\n\x1a\n..."
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "row": list(range(N)),
        "key": [f"k{index}" for index in range(N)],
        "notes": [f"a friendly animal number {index} that likes water" for index in range(N)],
        "summary": [f"animal number {index}" for index in range(N)],
        "photo": [PNG] * N,
        "path": [f"pictures/{index}.JPG" for index in range(N)],
        "weight": RNG.normal(size=N),
        "legs": RNG.integers(2, 5, N),
        "colour": RNG.choice(["red", "blue"], N),
        "tame": RNG.choice([True, False], N),
        "planet": ["earth"] * N,
        "empty": pa.array([None] * N, pa.string()),
        "born": pa.array([0] * N, pa.date32()),
        "blob": [b"\x00\x01"] * N,
        "rare": [("odd" if index == 3 else None) for index in range(N)],
        "name": [f"the {index % 25}" for index in range(N)],
        "species": ["cat", "dog"] * (N // 2),
    }
)


def role_and_reason(name: str) -> tuple[str, str]:
    return {column: (role, reason) for column, role, reason in infer_roles(TABLE, "species").rows()}[name]


@pytest.mark.parametrize(
    ("column", "role", "reason"),
    [
        ("row", "ignored", "an id"),
        ("key", "ignored", "an id"),
        ("notes", "text", "40 different texts"),
        ("summary", "ignored", "a second text beside 'notes'"),
        ("photo", "ignored", "a second image beside 'path'"),
        ("path", "image", "paths of pictures"),
        ("weight", "numeric", "numbers"),
        ("legs", "numeric", "numbers"),
        ("colour", "categorical", "2 categories"),
        ("tame", "categorical", "true or false"),
        ("planet", "ignored", "constant: 'earth'"),
        ("empty", "ignored", "every cell is missing"),
        ("born", "ignored", "date32"),
        ("blob", "ignored", "no JPEG or PNG"),
        ("rare", "categorical", "1 categories"),
        ("name", "ignored", "too many categories: 25"),
        ("species", "label", "as given"),
    ],
)
def test_a_column_gets_the_role_its_cells_suggest(column: str, role: str, reason: str) -> None:
    assert role_and_reason(column)[0] == role
    assert reason in role_and_reason(column)[1]


def test_what_the_user_names_is_taken_over_the_guess() -> None:
    roles = infer_roles(
        TABLE, "species", text="summary", image="photo", numeric=["row"], categorical=["name"], ignore=["weight"]
    )
    given = {column: role for column, role, reason in roles.rows() if reason == "as given"}
    assert given == {
        "row": "numeric", "summary": "text", "photo": "image", "weight": "ignored", "name": "categorical",
        "species": "label",
    }  # fmt: skip
    assert dict(roles.wire_names)["summary"] == "text"
    assert "notes" not in roles.wire_names


def test_a_table_that_is_only_scored_needs_no_label() -> None:
    assert infer_roles(TABLE, "").label == ""


def test_views_hold_the_names_on_the_wire() -> None:
    views = infer_roles(TABLE, "species").views
    assert views == {"image": ("image",), "tabular": ("weight", "legs", "colour", "tame", "rare"), "text": ("text",)}


def test_roles_are_the_same_after_json() -> None:
    roles = infer_roles(TABLE, "species")
    assert Roles.from_json(json.loads(json.dumps(roles.to_json()))) == roles


@pytest.mark.parametrize("value", [{}, {"columns": [{"surprise": 1}]}, {"columns": 3}])
def test_json_that_holds_no_roles_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec, match="no roles"):
        Roles.from_json(value)


def test_a_missing_label_column_is_named_with_the_nearest_one() -> None:
    with pytest.raises(InvalidInput, match=r"no column 'specis'.*did you mean 'species'"):
        infer_roles(TABLE, "specis")
    with pytest.raises(InvalidInput, match="no column 'nope'"):
        infer_roles(TABLE, "species", ignore=["nope"])


def test_a_column_named_for_two_roles_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'notes' is named as text and as ignored"):
        infer_roles(TABLE, "species", text="notes", ignore=["notes"])


def test_a_table_column_may_not_take_the_name_of_a_view() -> None:
    table = pa.table({"notes": TABLE["notes"], "text": TABLE["colour"], "y": TABLE["species"]})
    with pytest.raises(InvalidInput, match="'text' has the name that the text view sends"):
        infer_roles(table, "y")


def test_short_words_count_as_words() -> None:
    table = pa.table({"steps": ["u d l", "l l r", "u u d"], "y": [0, 1, 0]})
    assert infer_roles(table, "y").rows()[0][1] == "text"


def test_whole_numbers_that_do_not_rise_are_numbers() -> None:
    assert infer_roles(pa.table({"a": [3, 1, 2, 4]}), "").rows()[0][1] == "numeric"


def test_the_roles_of_members_follow_their_tensors() -> None:
    bindings = (
        InputBinding("text", "BYTES", ("text",)),
        InputBinding("x", "FP32", ("a", "b"), "matrix"),
        InputBinding("c", "BYTES", ("c",)),
    )
    member = Member("m", 1, ("text", "tabular"), Task.CLASSIFICATION, ("x", "y"), bindings)
    assert roles_of_members([member, member]).views == {"tabular": ("a", "b", "c"), "text": ("text",)}


def test_labels_come_with_each_rows_position() -> None:
    labels, codes = labels_of(pa.table({"y": [10, 9, 10, 1]}), "y")
    assert labels == ("1", "9", "10")
    assert codes.tolist() == [2, 1, 2, 0]
    assert labels_of(pa.table({"y": [True, False]}), "y")[0] == ("false", "true")


def test_one_class_only_is_refused() -> None:
    with pytest.raises(InvalidInput, match="one class only, 'cat'"):
        labels_of(pa.table({"y": ["cat", "cat"]}), "y")


def test_a_row_without_its_label_is_named() -> None:
    with pytest.raises(InvalidRows, match="label 'y' is missing") as raised:
        labels_of(pa.table({"y": ["cat", None, "dog", ""]}), "y")
    assert list(raised.value.reasons) == [1, 3]
    with pytest.raises(InvalidRows):
        labels_of(pa.table({"y": [1.0, float("nan"), 2.0]}), "y")


def test_a_label_with_a_class_a_row_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at most 1000"):
        labels_of(pa.table({"y": [str(index) for index in range(1001)]}), "y")


def test_the_task_follows_the_label() -> None:
    assert infer_task(pa.table({"y": ["a", "b"]}), "y") is Task.CLASSIFICATION
    assert infer_task(pa.table({"y": [0, 1, 2]}), "y") is Task.CLASSIFICATION
    assert infer_task(pa.table({"y": [0.5, 1.0]}), "y") is Task.REGRESSION
    assert infer_task(pa.table({"y": list(range(100))}), "y") is Task.REGRESSION


def test_targets_are_finite_numbers() -> None:
    assert targets_of(pa.table({"y": ["1", "2.5"]}), "y").tolist() == [1.0, 2.5]
    with pytest.raises(InvalidRows, match="row 1"):
        targets_of(pa.table({"y": [1.0, float("inf")]}), "y")
    with pytest.raises(InvalidInput, match="nothing to predict"):
        targets_of(pa.table({"y": [1.0, 1.0]}), "y")


def test_empty_cells_of_a_csv_are_missing_and_neither_a_category_nor_a_path() -> None:
    table = pa.table({"city": ["Rome", "", "Paris", ""], "photo": ["a.jpg", "", "b.jpg", "c.jpg"], "note": [""] * 4})
    assert infer_roles(table, "").rows() == [
        ("city", "categorical", "2 categories"),
        ("photo", "image", "paths of pictures"),
        ("note", "ignored", "every cell is missing"),
    ]
