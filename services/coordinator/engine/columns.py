"""Batches of columns cut, joined and measured. Every array has the batch as its first axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns
from services.coordinator.engine.raw import MemberTensors, RawBatch, join_raw

Batch = Columns | RawBatch
"""Rows for one member, as arrays or as the bytes they came as."""
Signature = tuple[tuple[str, str, tuple[int, ...]], ...] | MemberTensors


def row_count(batch: Batch) -> int:
    """Return the rows of a batch whose columns agree."""
    return batch.rows if isinstance(batch, RawBatch) else len(next(iter(batch.values())))


def byte_size(batch: Batch) -> int:
    """Return about how many bytes the batch takes on the wire."""
    return batch.size if isinstance(batch, RawBatch) else sum(_array_bytes(array) for array in batch.values())


def signature(batch: Batch) -> Signature:
    """Return what must be equal for two batches to be joined: names, datatypes, and shapes past the first axis."""
    if isinstance(batch, RawBatch):
        return batch.tensors
    return tuple((name, array.dtype.char, array.shape[1:]) for name, array in batch.items())


def take(columns: Columns, rows: NDArray[Any] | slice) -> Columns:
    """Return the batch of these rows alone."""
    return {name: array[rows] for name, array in columns.items()}


def join(batches: Sequence[Batch]) -> Batch:
    """Return one batch of all rows, in order; the batches must share a signature."""
    if len(batches) == 1:
        return batches[0]
    if raw := [batch for batch in batches if isinstance(batch, RawBatch)]:
        return join_raw(raw)
    arrays = [batch for batch in batches if not isinstance(batch, RawBatch)]
    return {name: np.concatenate([batch[name] for batch in arrays]) for name in arrays[0]}


def cut(batch: Batch, max_rows: int, max_bytes: int) -> list[Columns]:
    """Split a batch into runs of rows within both limits; a single row over the byte limit stands alone."""
    columns = batch.decoded() if isinstance(batch, RawBatch) else batch
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
