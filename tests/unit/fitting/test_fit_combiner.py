"""A combiner is learned from out-of-fold outputs, for every set of members that may answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import check_grad

from quorate.combiners import Panel
from quorate.combiners.registry import build_kind
from quorate.ensemble import Task
from quorate.errors import InvalidInput, InvalidSpec
from quorate.fitting import fit_combiner
from quorate.fitting.base import OutOfFold, subsets
from quorate.fitting.fit import FITTERS, best_kind, cross_fitted, folds_of
from quorate.fitting.log_pool import _loss, fit_pool
from tests.support.panels import log_loss, panel

VIEWS = (("text",), ("image",), ("tabular",))
THREE = Panel(("a", "b", "c"), VIEWS, Task.CLASSIFICATION, 4)


def test_every_subset_of_the_members_is_fitted_and_survives_json() -> None:
    outputs, present, labels = panel([0.5, 1.5, 3.0])
    fitted = fit_combiner("log_pool", outputs, present, labels, VIEWS)
    parameters = json.loads(json.dumps(dict(fitted.parameters)))
    assert set(parameters["patterns"]) == {"".join(bits) for bits in product("01", repeat=3)} - {"000"}
    merged = build_kind("log_pool", parameters, THREE).combine(outputs, present)
    np.testing.assert_allclose(merged.sum(axis=1), 1)


def test_a_fitted_pool_beats_the_average_and_every_member_on_new_rows() -> None:
    outputs, present, labels = panel([1.0, 1.5, 2.5], seed=1)
    fitted = fit_combiner("log_pool", outputs, present, labels, VIEWS)
    new, everyone, truth = panel([1.0, 1.5, 2.5], seed=2)
    pooled = log_loss(build_kind("log_pool", fitted.parameters, THREE).combine(new, everyone), truth)
    averaged = log_loss(build_kind("soft_vote", {}, THREE).combine(new, everyone), truth)
    assert pooled < averaged
    assert pooled < min(log_loss(member, truth) for member in new)


def test_a_better_member_gets_a_greater_weight_and_noise_next_to_none() -> None:
    outputs, _, labels = panel([1.0, 2.0, 2.0])
    outputs[2] = panel([2.0], seed=7)[0][0]
    weights, _ = fit_pool(outputs, labels)
    assert weights[0] > 2 * weights[1] > 0
    assert weights[2] < 0.05


def test_weights_are_never_negative_for_a_member_that_is_worse_than_chance() -> None:
    outputs, _, labels = panel([1.0, 1.0])
    outputs[1] = outputs[1][:, ::-1]
    assert fit_pool(outputs, labels)[0].min() >= 0


def test_the_gradient_is_that_of_the_loss() -> None:
    outputs, _, labels = panel([1.0, 2.0], rows=40)
    centre = np.array([0.5, 0.5, 0, 0, 0, 0])
    arguments = (np.log(outputs), labels, centre)
    at = np.array([0.3, 1.2, 0.1, -0.2, 0.3, 0.0])
    error = check_grad(lambda theta: _loss(theta, *arguments)[0], lambda theta: _loss(theta, *arguments)[1], at)
    assert error < 1e-6


def test_members_that_say_nothing_keep_equal_weights() -> None:
    weights, _ = fit_pool(np.full((4, 50, 3), 1 / 3), np.arange(50) % 3)
    np.testing.assert_allclose(weights, 0.25)


def test_the_penalty_keeps_few_rows_from_large_weights() -> None:
    outputs, _, labels = panel([0.1, 0.1], rows=2)
    assert fit_pool(outputs, labels)[0].max() < 2


def test_many_classes_are_fitted_without_a_bias() -> None:
    outputs, _, labels = panel([1.0, 1.0], rows=150, classes=120)
    assert fit_pool(outputs, labels)[1] is None


def test_a_pattern_is_fitted_on_the_rows_where_all_of_it_are_present() -> None:
    outputs, present, labels = panel([1.0, 1.5, 2.0], rows=400)
    present[1, :300] = False
    spoiled = np.where(present[..., None], outputs, np.nan)
    fitted = fit_combiner("log_pool", spoiled, present, labels, VIEWS).parameters["patterns"]
    only = fit_combiner("log_pool", outputs[:, 300:], present[:, 300:], labels[300:], VIEWS).parameters["patterns"]
    assert fitted["111"] == only["111"]
    assert fitted["101"] != only["101"]


def test_a_pattern_with_too_few_rows_is_left_to_the_fallback() -> None:
    outputs, present, labels = panel([1.0, 1.5, 2.0], rows=100)
    present[1, 10:] = False
    fitted = fit_combiner("log_pool", outputs, present, labels, VIEWS)
    assert set(fitted.parameters["patterns"]) == {"101", "100", "001"}
    assert build_kind("log_pool", fitted.parameters, THREE).combine(outputs, present).shape == (100, 4)


def test_views_are_pooled_after_their_members_are_averaged() -> None:
    views = (("text",), ("image",), ("text",))
    outputs, present, labels = panel([1.5, 1.0, 1.5])
    fitted = fit_combiner("multi_view", outputs, present, labels, views)
    assert set(fitted.parameters["patterns"]) == {"11", "10", "01"}
    text = np.stack([(outputs[0] + outputs[2]) / 2, outputs[1]])
    pooled = fit_combiner("log_pool", text, present[:2], labels, views[:2])
    assert fitted.parameters == pooled.parameters


def test_auto_takes_what_has_the_least_cross_fitted_log_loss() -> None:
    outputs, present, labels = panel([0.8, 2.0, 3.0])
    assert fit_combiner("auto", outputs, present, labels, VIEWS).kind == "log_pool"


def test_auto_takes_the_average_where_the_truth_is_an_average() -> None:
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.full(4, 0.2), (2, 3000))
    mixture = outputs.mean(axis=0)
    labels = (mixture.cumsum(axis=1) < rng.random((3000, 1))).sum(axis=1).clip(max=3)
    assert fit_combiner("auto", outputs, np.ones((2, 3000), dtype=bool), labels, VIEWS[:2]).kind == "soft_vote"


def test_auto_averages_members_that_share_their_view_s_errors() -> None:
    """Two noisy readings of the same text and one picture: what is common to the texts must not count twice."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 4000)
    shared = rng.normal(0, 1.5, (4000, 4)) + 2 * np.eye(4)[labels]
    image = rng.normal(0, 1.5, (4000, 4)) + 2 * np.eye(4)[labels]

    def softmax(logits: np.ndarray) -> np.ndarray:
        return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)

    text = softmax(shared)
    # The two texts err together, and by themselves in opposite ways, so that their average is right to trust.
    own = rng.dirichlet(np.full(4, 0.5), 4000) * 0.4 * text.min(axis=1, keepdims=True)
    outputs = np.stack([text + own, softmax(image), text - own])
    views = (("text",), ("image",), ("text",))
    assert best_kind(OutOfFold(outputs, np.ones((3, 4000), dtype=bool), labels, views)) == "multi_view"


def test_auto_averages_where_there_are_too_few_rows_to_compare() -> None:
    outputs, present, labels = panel([0.8, 2.0, 3.0], rows=30)
    assert fit_combiner("auto", outputs, present, labels, VIEWS).kind == "soft_vote"


def test_a_regression_takes_the_mean_and_a_multilabel_task_the_soft_vote() -> None:
    outputs, present = np.zeros((3, 5, 1)), np.ones((3, 5), dtype=bool)
    assert fit_combiner("auto", outputs, present, np.zeros(5), VIEWS, task=Task.REGRESSION).kind == "mean"
    flags = np.zeros((5, 1), dtype=int)
    assert fit_combiner("auto", outputs, present, flags, VIEWS, task=Task.MULTILABEL).kind == "soft_vote"


def test_rows_that_nobody_answered_are_no_reason_to_fail() -> None:
    outputs, present, labels = panel([0.8, 2.0, 3.0])
    present[:, :50] = False
    outputs[:, :50] = np.nan
    assert fit_combiner("auto", outputs, present, labels, VIEWS).kind == "log_pool"


def test_cross_fitting_merges_no_row_by_what_was_fitted_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs, present, labels = panel([3.0, 3.0], rows=100)
    fitted_on: list[set[float]] = []

    def spy(data: OutOfFold, patterns: Sequence[str]) -> dict[str, Any]:
        fitted_on.append(set(data.outputs[0, :, 0]))
        # The bias tells afterwards which fold's combiner merged a row.
        return {"patterns": {"11": {"weights": [0, 0], "bias": [float(len(fitted_on)), 0, 0, 0]}}}

    monkeypatch.setitem(FITTERS, "log_pool", spy)
    merged = cross_fitted("log_pool", OutOfFold(outputs, present, labels, VIEWS[:2]))
    fold = np.round(np.log(merged[:, 0] / merged[:, 1])).astype(int) - 1
    assert [len(rows) for rows in fitted_on] == [80] * 5
    assert not any(mark in fitted_on[used] for mark, used in zip(outputs[0, :, 0], fold, strict=True))


def test_folds_give_each_its_share_of_every_label() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 11])
    folds = folds_of(labels, seed=4)
    for label, share in ((0, 10), (1, 6), (2, 2)):
        counts = np.bincount(folds[labels == label], minlength=5)
        assert set(counts) <= {share, share + 1}


def test_more_than_eight_members_are_fitted_for_what_is_likely_to_occur() -> None:
    present = np.ones((10, 30), dtype=bool)
    present[:6, 20:] = False
    wanted = subsets(present)
    assert len(wanted) == 12
    assert {"1111111111", "0111111111", "0000001111"} <= set(wanted)


@pytest.mark.parametrize(
    ("kind", "message"), [("vote", "combiner.kind is 'vote'"), ("mean", "does not merge a classification")]
)
def test_a_kind_that_cannot_be_is_refused(kind: str, message: str) -> None:
    outputs, present, labels = panel([1.0, 1.0, 1.0], rows=30)
    with pytest.raises(InvalidSpec, match=message):
        fit_combiner(kind, outputs, present, labels, VIEWS)


def test_arrays_that_do_not_fit_together_are_refused() -> None:
    outputs, present, labels = panel([1.0, 1.0, 1.0], rows=30)
    with pytest.raises(InvalidInput, match="do not fit together"):
        fit_combiner("auto", outputs, present, labels[:-1], VIEWS)
    with pytest.raises(InvalidInput, match="labels go from 0 to 4; give 0 to 3"):
        fit_combiner("auto", outputs, present, np.where(labels == 3, 4, labels), VIEWS)
    outputs[0, 3, 1] = np.nan
    with pytest.raises(InvalidInput, match="hold NaN or infinity"):
        fit_combiner("auto", outputs, present, labels, VIEWS)
