"""The column to predict: classes and their codes, or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from quorate.ensemble import Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.tables.cells import byte_strings, is_number, numbers, plain
from quorate.tables.inference import unknown_column

MOST_CLASSES = 1000


def infer_task(table: pa.Table, label: str) -> Task:
    """Regression for a column of fractions, or of many whole numbers; else classification."""
    column = _label_column(table, label)
    if not is_number(column.type):
        return Task.CLASSIFICATION
    values = numbers(label, column)
    known = values[np.isfinite(values)]
    many = len(np.unique(known)) > max(20, len(known) // 20)
    return Task.REGRESSION if many or (known % 1 != 0).any() else Task.CLASSIFICATION


def labels_of(table: pa.Table, label: str) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes as text, in order (numbers by size), and each row's position among them.

    Raises InvalidRows for rows without a label, InvalidInput for fewer than two classes or more than 1000.
    """
    column = _label_column(table, label)
    cells = [cell.decode(errors="replace") for cell in byte_strings(label, column)]
    if missing := [row for row, cell in enumerate(cells) if not cell.strip()]:
        raise InvalidRows(dict.fromkeys(missing, f"the label {label!r} is missing; fill it in, or leave the row out"))
    classes = sorted(set(cells), key=lambda cell: (float(cell), cell) if is_number(column.type) else (0.0, cell))
    if len(classes) < 2:
        raise InvalidInput(f"the label {label!r} has one class only, {classes[0]!r}; give rows of at least two classes")
    if len(classes) > MOST_CLASSES:
        raise InvalidInput(
            f"the label {label!r} has {len(classes)} classes; at most {MOST_CLASSES}. Is it the right column?"
        )
    positions = {name: index for index, name in enumerate(classes)}
    return tuple(classes), np.array([positions[cell] for cell in cells], dtype=np.int64)


def targets_of(table: pa.Table, label: str) -> NDArray[np.float64]:
    """The numbers to predict, one a row; InvalidRows for what is missing, no number or infinite."""
    values = numbers(label, _label_column(table, label))
    if bad := np.flatnonzero(~np.isfinite(values)).tolist():
        raise InvalidRows(dict.fromkeys(bad, f"the label {label!r} is missing or infinite"))
    if len(np.unique(values)) < 2:
        raise InvalidInput(f"the label {label!r} is {values[0]} in every row; there is nothing to predict")
    return values


def _label_column(table: pa.Table, label: str) -> Any:
    if label not in table.column_names:
        raise unknown_column(label, table.column_names)
    column = plain(table[label])
    if not len(column):
        raise InvalidInput("the table is empty: it has no rows")
    return pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column
