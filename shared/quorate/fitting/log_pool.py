"""Learns a log pool's weights and bias, for one pattern of members after the other.

The log loss of a log pool is convex in them (it is a multinomial logistic regression on log probabilities).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from quorate.combiners import TINY, softmax
from quorate.combiners.parameters import Vector
from quorate.ensemble import BoolArray, FloatArray
from quorate.fitting.base import OutOfFold, members_of

MIN_ROWS = 20
"""A pattern with fewer rows is left to the combiner's fallback."""
_L2 = 1.0
_MAX_BIASED_CLASSES = 100
_MAX_ELEMENTS = 400_000
_MIN_SAMPLE = 2_000
_DECIMALS = 6
_LEAST_WEIGHT = 1e-3


def fit_log_pool(data: OutOfFold, patterns: Sequence[str]) -> dict[str, Any]:
    """Fit each pattern of members; returns the parameters of a `log_pool`."""
    return fit_patterns(data.outputs, data.present, data.labels, patterns)


def fit_patterns(
    outputs: FloatArray, present: BoolArray, labels: NDArray[Any], patterns: Sequence[str]
) -> dict[str, Any]:
    """Fit each pattern on the rows where all that it names are present; too few rows leave it out.

    `outputs` is [speakers, rows, classes], `present` [speakers, rows]; speakers are members, or groups of views. The
    first pattern with everybody also gives the general `weights`, which patterns that were left out fall back on.
    """
    fitted: dict[str, Any] = {}
    parameters: dict[str, Any] = {"patterns": fitted}
    for pattern in patterns:
        speakers = members_of(pattern)
        rows = np.flatnonzero(present[speakers].all(axis=0))
        if len(rows) < MIN_ROWS:
            continue
        rows = _sample(rows, int(speakers.sum()) * outputs.shape[2])
        weights, bias = fit_pool(outputs[speakers][:, rows], labels[rows])
        fitted[pattern] = {"weights": _written(weights)} | ({} if bias is None else {"bias": _written(bias)})
        if speakers.all():
            parameters["weights"] = _written(np.maximum(weights, _LEAST_WEIGHT))
    return parameters


def fit_pool(outputs: FloatArray, labels: NDArray[Any]) -> tuple[Vector, Vector | None]:
    """Find the weights (0 or more) and, for up to 100 classes, the bias of least penalised log loss.

    `outputs` is [speakers, rows, classes], all of them present. The L2 penalty pulls weights to 1/speakers and the
    bias to 0; its strength is that of one row's loss, so it fades as rows are added.
    """
    speakers, _, classes = outputs.shape
    logs = np.log(np.clip(outputs.astype(np.float64), TINY, 1.0))
    biases = classes if classes <= _MAX_BIASED_CLASSES else 0
    centre = np.concatenate([np.full(speakers, 1.0 / speakers), np.zeros(biases)])
    bounds = [(0.0, None)] * speakers + [(None, None)] * biases
    found = minimize(_loss, centre, (logs, labels, centre), "L-BFGS-B", jac=True, bounds=bounds)
    weights, bias = np.split(found.x, [speakers])
    return weights, bias if biases else None


def _loss(theta: Vector, logs: Vector, labels: NDArray[Any], centre: Vector) -> tuple[float, Vector]:
    speakers, rows, _ = logs.shape
    # einsum, since BLAS takes threads that, on busy cores, make these small products forty times slower.
    logits = np.einsum("m,mnc->nc", theta[:speakers], logs)
    if len(theta) > speakers:
        logits += theta[speakers:]
    probabilities: Vector = np.asarray(softmax(logits), dtype=np.float64)
    truth = np.arange(rows), labels
    away = theta - centre
    loss = -np.log(np.maximum(probabilities[truth], TINY**2)).sum() + _L2 / 2 * (away @ away)
    residual = probabilities
    residual[truth] -= 1.0
    gradient = np.concatenate([np.einsum("mnc,nc->m", logs, residual), residual.sum(axis=0)[: len(theta) - speakers]])
    return float(loss / rows), (gradient + _L2 * away) / rows


def _sample(rows: NDArray[np.intp], elements_a_row: int) -> NDArray[np.intp]:
    """Keep evenly spaced rows past a bound: a pool has few parameters, and there are many patterns to fit."""
    most = max(_MIN_SAMPLE, _MAX_ELEMENTS // elements_a_row)
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _written(values: Vector) -> list[float]:
    return [float(value) for value in np.round(values, _DECIMALS)]
