"""A batch of a job's table as an ensemble's tensors, row by row: a cell that cannot be read rejects its row alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.ensemble import Columns, Ensemble
from quorate.errors import InvalidInput, InvalidRows, listed
from quorate.tables import REASON, Roles, columns_of, pack_images, roles_of_members
from services.coordinator.engine.inputs import input_tensors


@dataclass(frozen=True)
class BoundRows:
    """The rows that could be read, by their number in the job's input, and why the others could not."""

    rows: NDArray[np.int64]
    columns: Columns
    rejected: Mapping[int, str] = field(default_factory=dict)


def roles_of(ensemble: Ensemble, lineage: Mapping[str, Any]) -> Roles:
    """Return the roles of the columns that the ensemble's members read, under the training table's names if known."""
    read = roles_of_members(ensemble.members).columns
    trained = Roles.from_json(lineage["roles"]).used if lineage.get("roles") else ()
    by_tensor = {entry.name: entry for entry in trained}
    return Roles(tuple(by_tensor.get(entry.name, entry) for entry in read))


def read_columns(ensemble: Ensemble, roles: Roles, names: Sequence[str]) -> tuple[str, ...]:
    """Name the table's columns that are read; all others are ignored. InvalidInput where there is none."""
    found = [next((name for name in (role.column, role.name) if name in names), None) for role in roles.used]
    columns = tuple(dict.fromkeys(name for name in found if name is not None))
    if not columns:
        wanted = dict.fromkeys(name for role in roles.used for name in (role.name, role.column))
        raise InvalidInput(
            f"the table has none of the columns that {ensemble.name!r} reads ({listed(wanted)}); its columns are "
            f"{listed(names)}: rename them, or score the table with another ensemble"
        )
    return columns


def bind_rows(batch: pa.RecordBatch, first_row: int, ensemble: Ensemble, roles: Roles, folder: str) -> BoundRows:
    """Return the batch, whose first row has this number, as tensors. `folder` holds the pictures named by path.

    Raises InvalidInput where a column is of a kind that the ensemble cannot take.
    """
    rows = np.arange(first_row, first_row + batch.num_rows, dtype=np.int64)
    rejected: dict[int, str] = {}
    table = pa.Table.from_batches([batch])
    if REASON in table.column_names:
        reasons = table.column(REASON)
        if reasons.null_count < len(reasons):
            given = {row: reason for row, reason in enumerate(reasons.to_pylist()) if reason is not None}
            table, rows = _without(table, rows, given, rejected)
        table = table.drop_columns([REASON])
    table, unread = pack_images(table, roles, folder)
    table, rows = _without(table, rows, unread, rejected)
    try:
        columns = columns_of(table, roles)
    except InvalidRows as error:
        table, rows = _without(table, rows, error.reasons, rejected)
        columns = columns_of(table, roles)
    return BoundRows(rows, _as_asked(ensemble, columns), rejected)


def _without(
    table: pa.Table, rows: NDArray[np.int64], reasons: Mapping[int, str], rejected: dict[int, str]
) -> tuple[pa.Table, NDArray[np.int64]]:
    """Drop the rows with a reason (by their place in the table), noting it under their number."""
    if not reasons:
        return table, rows
    rejected.update({int(rows[place]): reason for place, reason in reasons.items()})
    kept = np.delete(np.arange(len(rows)), list(reasons))
    return table.take(pa.array(kept)), rows[kept]


def _as_asked(ensemble: Ensemble, columns: Columns) -> Columns:
    """Give every tensor its ensemble's kind: a training table's category may be somebody else's number."""
    tensors = input_tensors(ensemble)
    for name, array in columns.items():
        tensor = tensors.get(name)
        if tensor is not None and (tensor.datatype == "BYTES") != (array.dtype.kind == "O"):
            raise InvalidInput(f"column {name!r} is not of the kind that {ensemble.name!r} reads, {tensor.datatype}")
    return columns
