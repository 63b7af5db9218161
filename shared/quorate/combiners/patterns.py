"""Rows grouped by who is present in them, so that each group is merged in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray

Merge = Callable[[FloatArray, BoolArray], FloatArray]
"""Merges [present members, rows, classes] of rows that share one pattern [members] into [rows, classes]."""

_MAX_CODED = 62


def merge_by_pattern(outputs: FloatArray, present: BoolArray, merge: Merge) -> FloatArray:
    """Merge each pattern's rows with `merge`, which sees the present members alone; NaN where nobody is.

    `outputs` is [members, rows, classes], `present` [members, rows]; returns [rows, classes] in float64.
    """
    rows = present.shape[1]
    if rows and one_pattern(present):
        return _merge_one(outputs, present[:, 0], merge)
    merged = np.full(outputs.shape[1:], np.nan)
    for pattern, where in patterns(present):
        merged[where] = _merge_one(outputs[:, where], pattern, merge)
    return merged


def one_pattern(present: BoolArray) -> bool:
    """Whether the same members are present in all rows; there is at least one row."""
    return present.shape[1] == 1 or bool((present == present[:, :1]).all())


def patterns(present: BoolArray) -> Iterator[tuple[BoolArray, NDArray[np.intp]]]:
    """Give each pattern [members] that occurs, with the positions of its rows."""
    members, rows = present.shape
    if not rows:
        return
    if members <= _MAX_CODED:
        codes = (1 << np.arange(members, dtype=np.int64)) @ present
    else:
        codes = np.unique(present, axis=1, return_inverse=True)[1].reshape(-1)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order])) + 1
    for where in np.split(order, starts):
        yield present[:, where[0]], where


def _merge_one(outputs: FloatArray, pattern: BoolArray, merge: Merge) -> FloatArray:
    if pattern.all():
        return merge(outputs, pattern)
    if pattern.any():
        return merge(outputs[pattern], pattern)
    return np.full(outputs.shape[1:], np.nan)
