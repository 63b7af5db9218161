"""A table made ready for training: roles, targets, which view each row has, and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, Columns, Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.fitting.options import FitOptions
from quorate.tables import (
    Roles,
    columns_of,
    dataset_hash,
    infer_roles,
    infer_task,
    labels_of,
    pack_images,
    read_table,
    targets_of,
)
from quorate.views.base import Limits
from quorate.views.image import pixels_of
from services.tuner.splitting import Rows, fold_of, split_rows, strata_of


@dataclass(frozen=True)
class Dataset:
    """A labelled table. `train` and `test` are positions in it; `folds` gives each training row's fold."""

    table: pa.Table
    roles: Roles
    task: Task
    labels: tuple[str, ...]
    targets: NDArray[Any]
    columns: Columns
    train: Rows
    test: Rows
    folds: NDArray[np.intp]
    digest: str

    @property
    def outputs(self) -> int:
        """How many numbers a member answers for a row."""
        return len(self.labels) if self.task is Task.CLASSIFICATION else 1


def load_dataset(url: str, options: FitOptions, *, anywhere: bool = False) -> Dataset:
    """Read, label and split a table. `anywhere` lets paths of pictures leave its folder: the user's own machine."""
    table = read_table(url)
    task = options.chosen_task or infer_task(table, options.label)
    if task is Task.REGRESSION:
        labels: tuple[str, ...] = ()
        targets: NDArray[Any] = targets_of(table, options.label)
    else:
        labels, targets = labels_of(table, options.label)
    roles = roles_of(table, options)
    packed, unread = pack_images(table, roles, folder_of(url), anywhere=anywhere)
    if unread:
        raise InvalidRows(unread)
    strata = strata_of(task, targets, labels)
    train, test = split_rows(strata, options.test_share, options.seed)
    folds = fold_of(strata[train], options.folds, options.seed)
    columns = columns_of(packed, roles)
    _refuse_unreadable(columns)
    return Dataset(packed, roles, task, labels, targets, columns, train, test, folds, dataset_hash(table))


def _refuse_unreadable(columns: Columns) -> None:
    """Name every row that a member could not read, before hours go into training: infinities, and broken pictures."""
    reasons: dict[int, str] = {}
    for name, column in columns.items():
        if column.dtype.kind == "f":
            why = f"column {name!r} is infinite; give a finite number, or leave the cell empty"
            reasons |= dict.fromkeys(np.flatnonzero(np.isinf(column)).tolist(), why)
    if "image" in columns:
        there = np.flatnonzero(_filled(columns["image"]))
        try:
            pixels_of(columns["image"][there], (1, 1), 1, Limits())
        except InvalidRows as error:
            reasons |= {int(there[place]): why for place, why in error.reasons.items()}
    if reasons:
        raise InvalidRows(reasons)


def roles_of(table: pa.Table, options: FitOptions) -> Roles:
    """The columns' roles, given or inferred; InvalidInput where no view is left to learn from."""
    given = (options.text, options.image, options.numeric, options.categorical, options.ignore)
    roles = infer_roles(table, options.label, *given)
    if not roles.views:
        shown = "; ".join(f"{column}: {role} ({reason})" for column, role, reason in roles.rows())
        raise InvalidInput(f"no column is left to learn from: {shown}; name one as text, image, numeric or categorical")
    return roles


def folder_of(url: str) -> str:
    """The folder that a table's paths of pictures are relative to."""
    return url.rsplit("/", 1)[0] if "://" in url else str(Path(url).absolute().parent)


def view_columns(columns: Columns, names: tuple[str, ...], rows: NDArray[Any] | slice = slice(None)) -> Columns:
    """Those rows of the columns that a view reads."""
    return {name: columns[name][rows] for name in names}


def has_view(columns: Columns, names: tuple[str, ...]) -> BoolArray:
    """Which rows have the view [N]: those where not every cell of it is missing."""
    there: BoolArray = np.logical_or.reduce([_filled(columns[name]) for name in names])
    return there


def _filled(column: NDArray[Any]) -> BoolArray:
    if column.dtype.kind == "f":
        filled: BoolArray = ~np.isnan(column)
        return filled
    return np.fromiter(map(bool, column), dtype=np.bool_, count=len(column))
