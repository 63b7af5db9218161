"""What holds for every combiner of probabilities, whatever the members say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.combiners import Combiner, Panel
from quorate.combiners.registry import build_kind
from quorate.ensemble import BoolArray, FloatArray, Task

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "hard_vote": ("hard_vote", {}),
    "soft_vote": ("soft_vote", {}),
    "log_pool": ("log_pool", {}),
    "log_pool_fitted": ("log_pool", {"patterns": {"111": {"weights": [0.5, 1.5, 0.9]}, "101": {"weights": [1, 2]}}}),
    "multi_view": ("multi_view", {}),
    "multi_view_fitted": ("multi_view", {"patterns": {"11": {"weights": [0.7, 1.1], "bias": [0.1, 0, -0.2, 0.3]}}}),
}
VIEWS = (("text",), ("image",), ("text",))
CLASSES = 4
kinds = pytest.mark.parametrize("case", CASES)


@dataclass(frozen=True)
class Said:
    outputs: FloatArray
    present: BoolArray


@st.composite
def said(draw: st.DrawFn, members: int = 3) -> Said:
    rows = draw(st.integers(1, 5))
    # Few distinct values make ties, zeros and certainty common.
    raw = draw(st.lists(st.integers(0, 3), min_size=members * rows * CLASSES, max_size=members * rows * CLASSES))
    outputs = np.array(raw, dtype=np.float64).reshape(members, rows, CLASSES)
    outputs[outputs.sum(axis=-1) == 0] = 1
    there = draw(st.lists(st.booleans(), min_size=members * rows, max_size=members * rows))
    present = np.array(there).reshape(members, rows)
    return Said(outputs / outputs.sum(axis=-1, keepdims=True), present)


def combiner(case: str, order: tuple[int, ...] = (0, 1, 2)) -> Combiner:
    kind, parameters = CASES[case]
    names = ("a", "b", "c")
    panel = Panel(tuple(names[i] for i in order), tuple(VIEWS[i] for i in order), Task.CLASSIFICATION, CLASSES)
    return build_kind(kind, parameters, panel)


@kinds
@given(given=said())
def test_probabilities_sum_to_one_and_a_row_without_anybody_is_nan(case: str, given: Said) -> None:
    merged = combiner(case).combine(given.outputs, given.present)
    someone = given.present.any(axis=0)
    assert merged.shape == given.outputs.shape[1:]
    assert np.isnan(merged[~someone]).all()
    np.testing.assert_allclose(merged[someone].sum(axis=1), 1, rtol=1e-12)
    assert (merged[someone] >= 0).all()


@kinds
@given(given=said(), noise=st.sampled_from([np.nan, np.inf, -1.0, 0.0]))
def test_what_an_absent_member_holds_changes_nothing(case: str, given: Said, noise: float) -> None:
    spoiled = np.where(given.present[..., None], given.outputs, noise)
    built = combiner(case)
    expected = built.combine(given.outputs, given.present)
    np.testing.assert_array_equal(built.combine(spoiled, given.present), expected)


@kinds
@given(given=said())
def test_each_row_is_merged_as_if_it_were_alone(case: str, given: Said) -> None:
    built = combiner(case)
    together = built.combine(given.outputs, given.present)
    for row in range(together.shape[0]):
        alone = built.combine(given.outputs[:, [row]], given.present[:, [row]])
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("case", ["hard_vote", "soft_vote", "log_pool", "multi_view"])
@given(given=said(), order=st.permutations([0, 1, 2]))
def test_the_order_of_the_members_does_not_matter(case: str, given: Said, order: list[int]) -> None:
    expected = combiner(case).combine(given.outputs, given.present)
    shuffled = combiner(case, tuple(order)).combine(given.outputs[order], given.present[order])
    np.testing.assert_allclose(shuffled, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["hard_vote", "soft_vote", "log_pool", "multi_view"])
@given(given=said(), members=st.permutations([0, 1, 2]))
def test_who_is_absent_may_as_well_not_be_a_member(case: str, given: Said, members: list[int]) -> None:
    some = sorted(members[:2])
    present = given.present.copy()
    present[members[2]] = False
    expected = combiner(case, tuple(some)).combine(given.outputs[some], present[some])
    np.testing.assert_allclose(combiner(case).combine(given.outputs, present), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", ["hard_vote", "soft_vote", "log_pool"])
@given(given=said())
def test_a_member_that_says_nothing_changes_no_decision(case: str, given: Said) -> None:
    """The uniform member's probabilities flatten the average; the ranking of the classes stays."""
    outputs = given.outputs.copy()
    outputs[2] = 1 / CLASSES
    without = np.array([[True], [True], [False]]) & np.ones_like(given.present)
    built = combiner(case)
    expected = built.combine(outputs, without)
    merged = built.combine(outputs, np.ones_like(given.present))
    best = expected.max(axis=1, keepdims=True)
    decided = merged == merged.max(axis=1, keepdims=True)
    np.testing.assert_allclose(np.where(decided, expected, best), np.broadcast_to(best, expected.shape), rtol=1e-7)


@given(given=said())
def test_a_member_that_says_nothing_changes_nothing_in_a_log_pool_of_equal_weights(given: Said) -> None:
    weights = [0.8, 1.2, 0.4]
    fitted = {"patterns": {"111": {"weights": weights}, "110": {"weights": weights[:2]}}}
    panel = Panel(("a", "b", "c"), VIEWS, Task.CLASSIFICATION, CLASSES)
    built = build_kind("log_pool", fitted, panel)
    outputs = given.outputs.copy()
    outputs[2] = 1 / CLASSES
    everyone = np.ones_like(given.present)
    without = everyone.copy()
    without[2] = False
    np.testing.assert_allclose(built.combine(outputs, everyone), built.combine(outputs, without), rtol=1e-9)


@kinds
def test_no_rows_give_no_rows(case: str) -> None:
    assert combiner(case).combine(np.empty((3, 0, CLASSES)), np.empty((3, 0), dtype=bool)).shape == (0, CLASSES)


@kinds
def test_float32_outputs_are_not_changed_in_place(case: str) -> None:
    outputs = np.full((3, 2, CLASSES), 0.25, dtype=np.float32)
    outputs[0, 0] = [0, 0, 0, 1]
    before = outputs.copy()
    combiner(case).combine(outputs, np.ones((3, 2), dtype=bool))
    np.testing.assert_array_equal(outputs, before)
