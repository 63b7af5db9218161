"""What members and ensemble reach on rows that nothing was trained or chosen on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.combiners import build_combiner
from quorate.ensemble import BoolArray, Ensemble, FloatArray, Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.metrics import METRICS
from quorate.quality import average, proportion
from quorate.serving.backends.onnx import OnnxBackend
from services.tuner.crossfit import ViewModel
from services.tuner.dataset import Dataset, has_view, view_columns
from services.tuner.exporting import answers_of

Metrics = Mapping[str, float | tuple[float, float, float]]
"""Metrics by name: a value, or (value, low, high) with a 95% interval."""
TINY = 1e-7


@dataclass(frozen=True)
class Scores:
    """Metrics with their 95% intervals, and the rows that they were measured on."""

    metrics: Metrics
    rows: int

    @property
    def values(self) -> dict[str, float]:
        """The metrics alone."""
        return {name: one[0] if isinstance(one, tuple) else one for name, one in self.metrics.items()}


@dataclass(frozen=True)
class Outputs:
    """Members' outputs [members, rows, C] and which of them are there [members, rows]."""

    outputs: FloatArray
    present: BoolArray


def out_of_fold(views: Sequence[ViewModel]) -> Outputs:
    """The members' out-of-fold outputs for the training rows."""
    return Outputs(np.stack([view.out_of_fold for view in views]), np.stack([view.present for view in views]))


def test_outputs(views: Sequence[ViewModel], models: Sequence[bytes], dataset: Dataset) -> Outputs:
    """What the exported members answer for the test rows, by the code that serves them."""
    outputs = np.zeros((len(views), len(dataset.test), dataset.outputs))
    present = np.zeros((len(views), len(dataset.test)), dtype=bool)
    for i, (view, model) in enumerate(zip(views, models, strict=True)):
        columns = view_columns(dataset.columns, view.columns, dataset.test)
        present[i] = has_view(columns, view.columns)
        rows = np.flatnonzero(present[i])
        if len(rows):
            outputs[i, rows] = _answers(view, model, dataset, dataset.test[rows])
    return Outputs(outputs, present)


def _answers(view: ViewModel, model: bytes, dataset: Dataset, rows: NDArray[np.intp]) -> FloatArray:
    try:
        return answers_of(OnnxBackend(model), view.preprocessor, view_columns(dataset.columns, view.columns, rows))
    except InvalidRows as error:
        raise InvalidRows({int(rows[index]): reason for index, reason in error.reasons.items()}) from error


def scores_of(task: Task, targets: NDArray[Any], outputs: FloatArray) -> Scores:
    """The task's metrics of outputs [N, C], accuracy and log loss with their intervals."""
    if not len(targets):
        raise InvalidInput("a member's view is missing in every row that it would be judged on; give more rows")
    metrics: dict[str, float | tuple[float, float, float]] = dict(METRICS[task](targets, outputs))
    if task is Task.CLASSIFICATION and len(targets) > 1:
        chosen = np.clip(outputs[np.arange(len(targets)), targets], TINY, 1.0)
        loss = average("log_loss", -np.log(chosen))
        right = proportion("accuracy", int((outputs.argmax(axis=1) == targets).sum()), len(targets))
        metrics |= {one.metric: (one.value, one.low, one.high) for one in (right, loss)}
    return Scores(metrics, len(targets))


def member_scores(given: Outputs, task: Task, targets: NDArray[Any]) -> list[Scores]:
    """Each member's scores on the rows where it is present."""
    return [
        scores_of(task, targets[there], outputs[there])
        for outputs, there in zip(given.outputs, given.present, strict=True)
    ]


def ensemble_scores(ensemble: Ensemble, given: Outputs, targets: NDArray[Any]) -> Scores:
    """The ensemble's scores on the rows where any member is present."""
    there = given.present.any(axis=0)
    merged = build_combiner(ensemble).combine(given.outputs[:, there], given.present[:, there])
    return scores_of(ensemble.task, targets[there], merged)
