"""Dealing rows into a test part and folds, each with every class's share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Task
from quorate.errors import InvalidInput

Rows = NDArray[np.intp]
MIN_ROWS = 30
MIN_CLASS_ROWS = 3
BINS = 10
"""Groups of equal size that a regression's targets are stratified by."""


def strata_of(task: Task, targets: NDArray[Any], labels: tuple[str, ...]) -> NDArray[np.intp]:
    """The group of each row: its class, or its target's tenth. InvalidInput where there is too little to learn from."""
    if len(targets) < MIN_ROWS:
        raise InvalidInput(f"the table has {len(targets)} rows; a fit needs at least {MIN_ROWS}")
    if task is Task.REGRESSION:
        edges = np.quantile(targets, np.linspace(0, 1, BINS + 1)[1:-1])
        return np.searchsorted(edges, targets).astype(np.intp)
    counts = np.bincount(targets, minlength=len(labels))
    if rare := [f"{labels[i]!r} ({counts[i]})" for i in np.flatnonzero(counts < MIN_CLASS_ROWS)]:
        raise InvalidInput(
            f"too few rows of {', '.join(rare[:8])}; give {MIN_CLASS_ROWS} or more of each, or leave them out"
        )
    return targets.astype(np.intp)


def split_rows(strata: NDArray[np.intp], test_share: float, seed: int) -> tuple[Rows, Rows]:
    """Positions of the training rows and of the test rows, both in the table's order."""
    position = _positions(strata, seed)
    counts = np.bincount(strata)
    test = position < np.maximum(1, np.round(counts * test_share))[strata]
    return np.flatnonzero(~test), np.flatnonzero(test)


def fold_of(strata: NDArray[np.intp], folds: int, seed: int) -> NDArray[np.intp]:
    """The fold of each row, so that every fold holds every class's share."""
    offset = np.random.default_rng(seed + 1).integers(folds, size=int(strata.max(initial=0)) + 1)
    result: NDArray[np.intp] = (_positions(strata, seed) + offset[strata]) % folds
    return result


def _positions(strata: NDArray[np.intp], seed: int) -> NDArray[np.intp]:
    """Each row's place in a shuffle of its own stratum."""
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    counts = np.bincount(strata)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    position = np.empty(len(strata), dtype=np.intp)
    position[order] = np.arange(len(strata)) - np.repeat(starts, counts)
    return position
