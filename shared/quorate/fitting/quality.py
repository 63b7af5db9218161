"""What each subset of an ensemble's members reaches together, measured by cross-fitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray, Quality, Task
from quorate.fitting.base import OutOfFold, subsets
from quorate.fitting.fit import cross_fitted
from quorate.fitting.log_pool import MIN_ROWS
from quorate.quality import average, proportion


def expected_quality(
    kind: str,
    outputs: FloatArray,
    present: BoolArray,
    labels: NDArray[Any],
    views: Sequence[tuple[str, ...]],
    seed: int = 0,
    *,
    task: Task = Task.CLASSIFICATION,
) -> dict[str, Quality]:
    """Measure every subset of the members by pattern ("101"), the combiner refitted for just that subset.

    Each is measured on the rows where all of the subset are present; fewer than 20 of them leave it out. The metric is
    `accuracy`, `label_accuracy` (multilabel) or `mean_absolute_error` (regression). Assumes, as every lookup of it
    does, that absence does not depend on the row. Arguments and errors are those of `fit_combiner`, without `auto`.
    """
    data = OutOfFold(outputs, present, labels, tuple(views), task)
    measured = {}
    for pattern in subsets(present):
        quorum = data.quorum(pattern)
        if len(quorum.labels) >= MIN_ROWS:
            measured[pattern] = measure(cross_fitted(kind, quorum, seed), quorum)
    return measured


def measure(merged: FloatArray, data: OutOfFold) -> Quality:
    """Score merged outputs [rows, classes] against the labels, with a 95% interval."""
    if data.task is Task.CLASSIFICATION:
        right = int((merged.argmax(axis=1) == data.labels).sum())
        return proportion("accuracy", right, len(data.labels))
    if data.task is Task.MULTILABEL:
        agreed: FloatArray = ((merged >= 0.5) == (data.labels > 0)).mean(axis=1)
        return average("label_accuracy", agreed)
    error: FloatArray = np.abs(merged[:, 0] - data.labels)
    return average("mean_absolute_error", error)
