"""For each set of members the platform knows what it reaches, by cross-fitting."""

from __future__ import annotations

import numpy as np
import pytest

from quorate.combiners import Panel
from quorate.combiners.registry import build_kind
from quorate.ensemble import Task
from quorate.fitting import expected_quality, fit_combiner
from tests.support.panels import panel

VIEWS = (("text",), ("image",), ("tabular",))


@pytest.mark.parametrize("kind", ["log_pool", "multi_view", "soft_vote", "hard_vote"])
def test_every_subset_has_a_quality_inside_its_interval(kind: str) -> None:
    outputs, present, labels = panel([0.8, 1.5, 2.5])
    measured = expected_quality(kind, outputs, present, labels, VIEWS)
    assert set(measured) == {"111", "110", "101", "011", "100", "010", "001"}
    assert all(found.low < found.value < found.high and found.rows == 600 for found in measured.values())
    assert {found.metric for found in measured.values()} == {"accuracy"}
    assert measured["111"].value > measured["011"].value > measured["001"].value


def test_the_stated_interval_holds_on_new_rows() -> None:
    outputs, present, labels = panel([1.0, 1.5, 2.5], rows=1500, seed=1)
    measured = expected_quality("log_pool", outputs, present, labels, VIEWS)
    fitted = fit_combiner("log_pool", outputs, present, labels, VIEWS)
    new, everyone, truth = panel([1.0, 1.5, 2.5], rows=50_000, seed=2)
    combiner = build_kind("log_pool", fitted.parameters, Panel(("a", "b", "c"), VIEWS, Task.CLASSIFICATION, 4))
    for pattern, found in measured.items():
        there = everyone & (np.array(list(pattern)) == "1")[:, None]
        reached = (combiner.combine(new, there).argmax(axis=1) == truth).mean()
        assert found.low - 0.01 < reached < found.high + 0.01


def test_chance_is_not_mistaken_for_skill() -> None:
    outputs, present, _ = panel([1.0, 1.0], rows=1000)
    labels = np.random.default_rng(9).integers(0, 4, 1000)
    found = expected_quality("log_pool", outputs, present, labels, VIEWS[:2])["11"]
    assert found.low < 0.25 < found.high + 0.02


def test_a_subset_is_measured_on_the_rows_where_all_of_it_are_present() -> None:
    outputs, present, labels = panel([0.8, 1.5, 2.5])
    present[1, :585] = False
    present[2, :300] = False
    measured = expected_quality("log_pool", outputs, present, labels, VIEWS)
    assert {pattern: found.rows for pattern, found in measured.items()} == {"101": 300, "100": 600, "001": 300}


def test_a_regression_is_measured_by_its_mean_absolute_error() -> None:
    outputs = np.array([[[1.0]], [[3.0]]]).repeat(40, axis=1)
    labels = np.tile([1.0, 2.0], 20)
    measured = expected_quality("mean", outputs, np.ones((2, 40), dtype=bool), labels, VIEWS[:2], task=Task.REGRESSION)
    assert {pattern: found.value for pattern, found in measured.items()} == {"11": 0.5, "10": 0.5, "01": 1.5}
    assert measured["01"].metric == "mean_absolute_error"


def test_a_multilabel_task_is_measured_by_its_share_of_right_labels() -> None:
    outputs = np.tile([[[0.9, 0.2, 0.6, 0.4]]], (1, 30, 1))
    labels = np.tile([1, 0, 0, 0], (30, 1))
    measured = expected_quality(
        "soft_vote", outputs, np.ones((1, 30), dtype=bool), labels, VIEWS[:1], task=Task.MULTILABEL
    )
    assert (measured["1"].metric, measured["1"].value) == ("label_accuracy", 0.75)
