"""How good predictions are, by name (extra `fit`: scikit-learn). Every figure is finite, so that SQL and JSON keep it.

A metric that the rows do not define (ROC AUC where one class alone occurs) is left out of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as scores

from quorate.combiners.base import TINY, normalised
from quorate.ensemble import FloatArray, Task
from quorate.errors import InvalidInput

Labels = NDArray[Any]
Metrics = Callable[[Labels, FloatArray], dict[str, float]]


def classification_metrics(labels: Labels, probabilities: FloatArray) -> dict[str, float]:
    """Give accuracy, macro_f1, log_loss and roc_auc of labels [rows] (positions) and probabilities [rows, classes].

    `macro_f1` is over the classes that occur or were decided on; `roc_auc` is one class against the rest, averaged over
    the classes that occur beside others. Raises InvalidInput for no rows, or a row without an answer.
    """
    _check(labels, probabilities)
    shares = normalised(np.clip(probabilities.astype(np.float64), TINY, 1.0))
    decided = probabilities.argmax(axis=1)
    truth = np.eye(shares.shape[1], dtype=bool)[labels]
    return {
        "accuracy": float((decided == labels).mean()),
        "macro_f1": float(scores.f1_score(labels, decided, average="macro", zero_division=0)),
        "log_loss": float(-np.log(shares[truth]).mean()),
        **_roc_auc(truth, probabilities),
    }


def multilabel_metrics(labels: Labels, probabilities: FloatArray) -> dict[str, float]:
    """Give label_accuracy, macro_f1, log_loss and roc_auc of labels [rows, classes] (0 or 1), decided at 0.5."""
    _check(labels, probabilities)
    truth, decided = labels > 0, probabilities >= 0.5
    given = np.where(truth, probabilities, 1.0 - probabilities).astype(np.float64)
    return {
        "label_accuracy": float((truth == decided).mean()),
        "macro_f1": float(scores.f1_score(truth, decided, average="macro", zero_division=0)),
        "log_loss": float(-np.log(np.clip(given, TINY, 1.0)).mean()),
        **_roc_auc(truth, probabilities),
    }


def regression_metrics(labels: Labels, values: FloatArray) -> dict[str, float]:
    """Give mean_absolute_error, root_mean_squared_error and r2 of true and predicted values [rows] (or [rows, 1])."""
    predicted = values.reshape(-1)
    _check(labels, predicted)
    error = predicted - labels
    spread = float(((labels - labels.mean()) ** 2).sum())
    return {
        "mean_absolute_error": float(np.abs(error).mean()),
        "root_mean_squared_error": float(np.sqrt((error**2).mean())),
        **({"r2": 1.0 - float((error**2).sum()) / spread} if spread > 0 else {}),
    }


METRICS: dict[Task, Metrics] = {
    Task.CLASSIFICATION: classification_metrics,
    Task.MULTILABEL: multilabel_metrics,
    Task.REGRESSION: regression_metrics,
}


def with_intervals(
    metrics: Metrics, labels: Labels, predictions: FloatArray, seed: int = 0, draws: int = 200
) -> dict[str, tuple[float, float, float]]:
    """Give each metric as (value, low, high) with its 95% percentile bootstrap interval over the rows.

    Source: B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    measured = metrics(labels, predictions)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(draws):
        rows = rng.integers(0, len(labels), len(labels))
        for name, value in metrics(labels[rows], predictions[rows]).items():
            drawn.setdefault(name, []).append(value)
    bounds = {name: np.quantile(drawn[name] or [value], [0.025, 0.975]) for name, value in measured.items()}
    return {
        name: (value, min(value, float(bounds[name][0])), max(value, float(bounds[name][1])))
        for name, value in measured.items()
    }


def _check(labels: Labels, predictions: FloatArray) -> None:
    rows = len(labels)
    if not rows or len(predictions) != rows:
        raise InvalidInput(
            f"metrics of {rows} labels and {len(predictions)} predictions; give as many of both, not none"
        )
    if not np.isfinite(predictions).all() or not np.isfinite(labels).all():
        raise InvalidInput("labels or predictions hold NaN or infinity; leave out the rows that nobody answered")


def _roc_auc(truth: Labels, probabilities: FloatArray) -> dict[str, float]:
    occurs = np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0))
    if not len(occurs):
        return {}
    areas = [scores.roc_auc_score(truth[:, label], probabilities[:, label]) for label in occurs]
    return {"roc_auc": float(np.mean(areas))}
