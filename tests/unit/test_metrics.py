"""Metrics agree with scikit-learn's where it defines them, and stay finite where it does not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from quorate.errors import InvalidInput
from quorate.metrics import classification_metrics, multilabel_metrics, regression_metrics, with_intervals

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 400)
PROBABILITIES = RNG.dirichlet(np.ones(3), 400) * 0.6 + 0.4 * np.eye(3)[LABELS]


def test_classification_metrics_are_scikit_learn_s() -> None:
    decided = PROBABILITIES.argmax(axis=1)
    expected = {
        "accuracy": sklearn_metrics.accuracy_score(LABELS, decided),
        "macro_f1": sklearn_metrics.f1_score(LABELS, decided, average="macro"),
        "log_loss": sklearn_metrics.log_loss(LABELS, PROBABILITIES),
        "roc_auc": sklearn_metrics.roc_auc_score(LABELS, PROBABILITIES, multi_class="ovr"),
    }
    assert classification_metrics(LABELS, PROBABILITIES) == pytest.approx(expected, rel=1e-5)


def test_two_classes_are_measured_like_many() -> None:
    labels = LABELS % 2
    both = np.stack([1 - PROBABILITIES[:, 1], PROBABILITIES[:, 1]], axis=1)
    expected = sklearn_metrics.roc_auc_score(labels, both[:, 1])
    assert classification_metrics(labels, both)["roc_auc"] == pytest.approx(expected)


def test_float32_probabilities_are_measured_without_a_warning() -> None:
    expected = classification_metrics(LABELS, PROBABILITIES)
    assert classification_metrics(LABELS, PROBABILITIES.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_a_certain_mistake_costs_much_and_not_infinitely() -> None:
    found = classification_metrics(np.array([0, 1]), np.array([[1.0, 0.0], [1.0, 0.0]]))
    assert 5 < found["log_loss"] < 20
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_roc_auc_is_left_out_where_one_class_alone_occurs() -> None:
    found = classification_metrics(np.zeros(5, dtype=int), PROBABILITIES[:5])
    assert set(found) == {"accuracy", "macro_f1", "log_loss"}


def test_a_class_that_does_not_occur_is_no_part_of_roc_auc() -> None:
    some = LABELS < 2
    found = classification_metrics(LABELS[some], PROBABILITIES[some])
    areas = [sklearn_metrics.roc_auc_score(LABELS[some] == label, PROBABILITIES[some, label]) for label in (0, 1)]
    assert found["roc_auc"] == pytest.approx(np.mean(areas))


def test_multilabel_metrics_count_each_label_by_itself() -> None:
    labels = np.array([[1, 0], [1, 1], [0, 0]])
    probabilities = np.array([[0.9, 0.6], [0.8, 0.7], [0.1, 0.2]])
    found = multilabel_metrics(labels, probabilities)
    assert found["label_accuracy"] == pytest.approx(5 / 6)
    assert found["roc_auc"] == pytest.approx(1.0)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.4, 0.8, 0.7, 0.9, 0.8]).mean())


def test_regression_metrics_are_scikit_learn_s() -> None:
    labels = RNG.normal(size=50)
    values = labels + RNG.normal(size=50)
    found = regression_metrics(labels, values[:, None])
    assert found["mean_absolute_error"] == pytest.approx(sklearn_metrics.mean_absolute_error(labels, values))
    assert found["root_mean_squared_error"] == pytest.approx(sklearn_metrics.root_mean_squared_error(labels, values))
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(labels, values))


def test_r2_is_left_out_where_all_values_are_one() -> None:
    assert "r2" not in regression_metrics(np.ones(4), np.zeros(4))


def test_intervals_hold_the_value_and_shrink_with_rows() -> None:
    few = with_intervals(classification_metrics, LABELS[:60], PROBABILITIES[:60], draws=50)
    many = with_intervals(classification_metrics, LABELS, PROBABILITIES, draws=50)
    assert set(many) == {"accuracy", "macro_f1", "log_loss", "roc_auc"}
    for name, (value, low, high) in many.items():
        assert low <= value <= high
        assert high - low < few[name][2] - few[name][1]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        (np.array([], dtype=int), np.empty((0, 2)), "0 labels"),
        (np.array([0, 1]), np.array([[0.5, 0.5]]), "2 labels and 1 predictions"),
        (np.array([0]), np.array([[np.nan, np.nan]]), "NaN or infinity"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(labels: Any, probabilities: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        classification_metrics(labels, probabilities)
