"""Batches of columns cut, joined and measured. Every array has the batch as its first axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns

Signature = tuple[tuple[str, str, tuple[int, ...]], ...]


def row_count(columns: Columns) -> int:
    """Return the rows of a batch whose columns agree."""
    return len(next(iter(columns.values())))


def byte_size(columns: Columns) -> int:
    """Return about how many bytes the columns take on the wire."""
    return sum(_array_bytes(array) for array in columns.values())


def signature(columns: Columns) -> Signature:
    """Return what must be equal for two batches to be joined: names, datatypes, and shapes past the first axis."""
    return tuple((name, array.dtype.char, array.shape[1:]) for name, array in columns.items())


def take(columns: Columns, rows: NDArray[Any] | slice) -> Columns:
    """Return the batch of these rows alone."""
    return {name: array[rows] for name, array in columns.items()}


def join(batches: Sequence[Columns]) -> Columns:
    """Return one batch of all rows, in order; the batches must share a signature."""
    if len(batches) == 1:
        return batches[0]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def cut(columns: Columns, max_rows: int, max_bytes: int) -> list[Columns]:
    """Split a batch into runs of rows within both limits; a single row over the byte limit stands alone."""
    rows = row_count(columns)
    size = byte_size(columns)
    if rows <= max_rows and (size <= max_bytes or rows == 1):
        return [columns]
    weights = row_bytes(columns, rows)
    parts, first, weight = [], 0, 0
    for row in range(rows):
        if row > first and (row - first >= max_rows or weight + weights[row] > max_bytes):
            parts.append(take(columns, slice(first, row)))
            first, weight = row, 0
        weight += weights[row]
    return [*parts, take(columns, slice(first, rows))]


def row_bytes(columns: Columns, rows: int) -> list[int]:
    """Return about how many bytes each row takes on the wire."""
    total = [0] * rows
    for array in columns.values():
        if array.dtype.kind == "O":
            for row, cell in enumerate(array.reshape(rows, -1)):
                total[row] += sum(len(element) + 4 for element in cell)
        else:
            each = array.nbytes // max(rows, 1)
            total = [size + each for size in total]
    return total


def _array_bytes(array: NDArray[Any]) -> int:
    if array.dtype.kind != "O":
        return array.nbytes
    return sum(map(len, array.flat)) + 4 * array.size
