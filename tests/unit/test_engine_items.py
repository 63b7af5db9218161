"""An ensemble's tensors: which are taken, how many rows they hold, and which views stand in which of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from quorate.ensemble import Ensemble, InputBinding, Member, Policy, Task
from quorate.errors import InvalidInput, InvalidRows, TooLarge
from services.coordinator.engine.columns import cut, join, row_count
from services.coordinator.engine.fanout import ask_of
from services.coordinator.engine.inputs import input_tensors, member_inputs
from services.coordinator.engine.items import Items, read_items
from services.coordinator.engine.quorum import quorum_of

LABELS = ("a", "b")


def member(name: str, *inputs: InputBinding, views: tuple[str, ...] = ()) -> Member:
    return Member(name, 1, views or (name,), Task.CLASSIFICATION, LABELS, inputs)


TEXT = member("text", InputBinding("text", "BYTES", ("text",)))
IMAGE = member("image", InputBinding("image", "BYTES", ("image",)))
TABULAR = member(
    "tabular", InputBinding("age", "FP64", ("age",)), InputBinding("colour", "BYTES", ("colour",)), views=("tabular",)
)
FOREIGN = member("foreign", InputBinding("x", "FP32", ("age", "weight"), "matrix"), views=("tabular",))
FUSION = member(
    "fusion", InputBinding("text", "BYTES", ("text",)), InputBinding("age", "FP64", ("age",)), views=("text", "tabular")
)
PETS = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, (TEXT, IMAGE, TABULAR))


def cells(*values: bytes) -> np.ndarray[Any, Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def read(columns: dict[str, Any], ensemble: Ensemble = PETS, max_rows: int = 10) -> Items:
    return read_items(ensemble.name, ensemble.views, input_tensors(ensemble), columns, max_rows)


def whole(rows: int = 2) -> dict[str, Any]:
    return {
        "text": cells(*[b"t"] * rows),
        "image": np.zeros((rows, 8, 8), np.uint8),
        "age": np.ones(rows),
        "colour": cells(*[b"red"] * rows),
    }


def test_a_request_with_every_view_has_no_presence_to_look_at() -> None:
    items = read(whole())
    assert items.rows == 2
    assert items.present is None


def test_an_omitted_input_is_absent_in_every_row() -> None:
    columns = whole()
    del columns["image"]
    present = read(columns).present
    assert present is not None
    assert present.tolist() == [[True, True], [False, False], [True, True]]


def test_a_view_is_there_row_by_row_where_the_request_says_so() -> None:
    present = read({**whole(), "text.present": np.array([True, False])}).present
    assert present is not None
    assert present.tolist() == [[True, False], [True, True], [True, True]]


def test_presence_that_is_true_everywhere_is_as_if_it_were_not_said() -> None:
    assert read({**whole(), "text.present": np.array([True, True])}).present is None


def test_a_row_without_any_view_is_named() -> None:
    columns = {"text": cells(b"x", b"y"), "text.present": np.array([True, False])}
    with pytest.raises(InvalidRows) as refused:
        read(columns)
    assert list(refused.value.reasons) == [1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sound": cells(b"x", b"y")}, "has no input 'sound'; its inputs are text, image, age, colour"),
        ({"sound.present": np.array([True, True])}, "has no view 'sound'; its views are"),
        ({"text": cells(b"x")}, "must agree"),
        ({"age": np.float64(3.0)}, "must agree"),
        ({"text": np.array([1.0, 2.0])}, "'text' is float64; send BYTES"),
        ({"age": cells(b"1", b"2")}, "'age' is BYTES; send numbers, as FP64"),
        ({"age": np.ones((2, 3))}, "'age' has shape \\[2, 3\\]; send one value a row"),
        ({"image": np.zeros((2, 8), np.uint8)}, "'image' as UINT8 is"),
        ({"image": np.zeros((2, 8, 8), np.float32)}, "'image' is float32; send BYTES"),
        ({"text.present": np.array([1, 0])}, "send BOOL"),
        ({"text.present": np.array([[True], [False]])}, "send BOOL"),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_by_name(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        read({**whole(), **change})


def test_presence_without_its_view_is_refused() -> None:
    with pytest.raises(InvalidInput, match="none of its tensors"):
        read({"text": cells(b"x"), "image.present": np.array([True])})


def test_an_infinite_number_is_refused_by_row_and_nan_is_not() -> None:
    with pytest.raises(InvalidRows) as refused:
        read({**whole(3), "age": np.array([np.nan, np.inf, 1.0])})
    assert list(refused.value.reasons) == [1]
    assert "age" in refused.value.reasons[1]


def test_row_counts_have_limits_on_both_sides() -> None:
    with pytest.raises(TooLarge, match="above the limit of 10"):
        read(whole(11))
    with pytest.raises(InvalidInput, match="0 rows"):
        read(whole(0))
    with pytest.raises(InvalidInput, match="holds no input"):
        read({})
    with pytest.raises(InvalidInput, match="holds no input"):
        read({"text.present": np.array([False])})


def test_a_member_is_asked_only_for_the_rows_where_its_view_is() -> None:
    items = read({**whole(3), "text.present": np.array([False, True, True])})
    ask = ask_of(member_inputs(PETS)[0], items, PETS.views)
    assert ask.batch is not None
    assert ask.rows is not None
    assert ask.rows.tolist() == [False, True, True]
    assert row_count(ask.batch) == 2


def test_a_column_that_can_be_imputed_may_be_left_out() -> None:
    columns = whole()
    del columns["age"]
    ask = ask_of(member_inputs(PETS)[2], read(columns), PETS.views)
    assert ask.batch is not None
    assert isinstance(ask.batch, dict)
    assert np.isnan(ask.batch["age"]).all()
    del columns["colour"]
    columns["age"] = np.ones(2)
    ask = ask_of(member_inputs(PETS)[2], read(columns), PETS.views)
    assert ask.batch is not None
    assert isinstance(ask.batch, dict)
    assert ask.batch["colour"].tolist() == [b"", b""]


def test_a_member_that_cannot_impute_is_not_asked_when_a_column_is_left_out() -> None:
    both = Ensemble("both", 1, Task.CLASSIFICATION, LABELS, (TEXT, FOREIGN))
    ask = ask_of(member_inputs(both)[1], read({"text": cells(b"x"), "age": np.ones(1)}, both), both.views)
    assert ask.batch is None
    assert ask.missing == "column 'weight' is not in the request"


def test_a_member_of_two_views_is_asked_where_both_are_there() -> None:
    fused = Ensemble("fused", 1, Task.CLASSIFICATION, LABELS, (FUSION, TEXT))
    assert {name: tensor.view for name, tensor in input_tensors(fused).items()} == {"text": "text", "age": "tabular"}
    items = read({"text": cells(b"x", b"y"), "age": np.ones(2), "tabular.present": np.array([True, False])}, fused)
    ask = ask_of(member_inputs(fused)[0], items, fused.views)
    assert ask.rows is not None
    assert ask.rows.tolist() == [True, False]


def test_cutting_a_batch_and_joining_it_again_changes_nothing() -> None:
    columns = whole(10)
    for limits in ((3, 1 << 20), (100, 200), (100, 1)):
        parts = cut(columns, *limits)
        assert len(parts) > 1
        joined = join(parts)
        assert isinstance(joined, dict)
        assert all((joined[name] == columns[name]).all() for name in columns)


@pytest.mark.parametrize(
    ("policy", "present", "lacks"),
    [
        (Policy(), (True, False, False), ""),
        (Policy(), (False, False, False), "0 of the 1 members needed"),
        (Policy(min_members=2), (True, False, False), "1 of the 2 members needed"),
        (Policy(required=("image",)), (True, False, True), "required member image not there"),
        (Policy(required=("image",)), (False, True, False), ""),
        (Policy(min_weight=0.7), (True, True, False), "weight 2 of the 2.1 needed"),
        (Policy(min_weight=0.6, weights={"text": 3.0}), (True, False, False), ""),
        (Policy(min_weight=0.6, weights={"text": 3.0}), (False, True, True), "weight 2 of the 3 needed"),
        (Policy(min_weight=0.3, weights={"text": 0.1, "image": 0.2, "tabular": 0.7}), (True, True, False), ""),
    ],
)
def test_a_quorum_counts_members_weights_and_who_is_required(
    policy: Policy, present: tuple[bool, ...], lacks: str
) -> None:
    quorum = quorum_of(Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, PETS.members, policy=policy))
    assert quorum.lacks(present) == lacks
    rows = quorum.lacking_rows(np.array([present, (True, True, True)]).T)
    assert rows == ({0: lacks} if lacks else {})
