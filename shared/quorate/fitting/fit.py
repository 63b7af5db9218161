"""From out-of-fold outputs to a fitted combiner, and to its predictions for rows that it was not fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.combiners import TINY
from quorate.combiners.multi_view import ViewGroups
from quorate.combiners.registry import build_kind
from quorate.ensemble import BoolArray, Combiner, FloatArray, Task
from quorate.fitting.base import OutOfFold, occurring, subsets
from quorate.fitting.log_pool import MIN_ROWS, fit_log_pool
from quorate.fitting.multi_view import fit_multi_view

FOLDS = 5
Fitter = Callable[[OutOfFold, Sequence[str]], dict[str, Any]]
FITTERS: dict[str, Fitter] = {"log_pool": fit_log_pool, "multi_view": fit_multi_view}
"""How each kind that learns is fitted for some patterns; a kind that is not here has nothing to learn."""


def fit_combiner(
    kind: str,
    outputs: FloatArray,
    present: BoolArray,
    labels: NDArray[Any],
    views: Sequence[tuple[str, ...]],
    seed: int = 0,
    *,
    task: Task = Task.CLASSIFICATION,
) -> Combiner:
    """Fit a combiner for every subset of the members; `auto` takes the kind of least cross-fitted log loss.

    `outputs` is [members, rows, classes], out of fold; `present` is [members, rows]; `labels`, see `OutOfFold`.
    Raises InvalidSpec for a kind that is unknown or not for the task, InvalidInput for arrays that do not fit together.
    """
    data = OutOfFold(outputs, present, labels, tuple(views), task)
    chosen = best_kind(data, seed) if kind == "auto" else kind
    parameters = fit_parameters(chosen, data, subsets(present))
    build_kind(chosen, parameters, data.panel)  # Refuses an unknown kind, and one that is not for the task.
    return Combiner(chosen, parameters)


def best_kind(data: OutOfFold, seed: int = 0) -> str:
    """Name the kind of least cross-fitted log loss; the simplest of equals, and where there are too few rows."""
    if data.task is not Task.CLASSIFICATION:
        return "mean" if data.task is Task.REGRESSION else "soft_vote"
    data = data.rows(np.flatnonzero(data.present.any(axis=0)))
    if len(data.labels) < MIN_ROWS * FOLDS:
        return "soft_vote"
    candidates = ["soft_vote", "log_pool"]
    if len(ViewGroups(data.views).names) < len(data.views):
        candidates.append("multi_view")  # With one member a view it is the log pool itself.
    return min(candidates, key=lambda kind: _log_loss(cross_fitted(kind, data, seed), data.labels))


def fit_parameters(kind: str, data: OutOfFold, patterns: Sequence[str]) -> dict[str, Any]:
    """Fit the kind's parameters for these patterns of members; nothing for a kind that does not learn."""
    fitter = FITTERS.get(kind)
    return {} if fitter is None or data.task is not Task.CLASSIFICATION else fitter(data, patterns)


def cross_fitted(kind: str, data: OutOfFold, seed: int = 0) -> FloatArray:
    """Give each row's output [rows, classes] by a combiner that was fitted on the other folds."""
    if kind not in FITTERS:
        return build_kind(kind, {}, data.panel).combine(data.outputs, data.present)
    patterns = occurring(data.present)
    merged = np.full(data.outputs.shape[1:], np.nan)
    folds = folds_of(data.labels, seed)
    for fold in range(FOLDS):
        held = folds == fold
        combiner = build_kind(kind, fit_parameters(kind, data.rows(~held), patterns), data.panel)
        merged[held] = combiner.combine(data.outputs[:, held], data.present[:, held])
    return merged


def folds_of(labels: NDArray[Any], seed: int = 0) -> NDArray[np.intp]:
    """Deal the rows [rows] into folds, each with every label's share."""
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds = np.empty(len(labels), dtype=np.intp)
    folds[order] = np.arange(len(labels)) % FOLDS
    return folds


def _log_loss(probabilities: FloatArray, labels: NDArray[Any]) -> float:
    likelihood = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(likelihood, TINY, 1.0)).mean())
