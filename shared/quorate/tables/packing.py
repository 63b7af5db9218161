"""A table's columns as members read them: by wire name, as numpy arrays."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.ensemble import Columns
from quorate.errors import InvalidInput, InvalidRows, listed
from quorate.tables.cells import byte_strings, is_string, numbers, plain
from quorate.tables.roles import WHOLE_VIEWS, ColumnRole, Roles

MAX_PICTURE_BYTES = 64 << 20


def columns_of(table: pa.Table | pa.RecordBatch, roles: Roles) -> Columns:
    """The columns that members read, from a table that names them as in training or as on the wire.

    Numbers are float64 (missing: NaN), everything else object arrays of bytes (missing: empty). A text or picture
    column that is not there is left out; where some of its cells are empty, BOOL `text.present` or `image.present`
    tells which are not, and `tabular.present` does where rows have no cell of the table's other columns at all.
    Raises InvalidInput for a missing table column, and InvalidRows, with all of them, for rows whose cells cannot
    be read.
    """
    found = {entry: column for entry in roles.used if (column := _find(table, entry)) is not None}
    _refuse_gaps(roles, found)
    columns: Columns = {}
    reasons: dict[int, str] = {}
    for entry, column in found.items():
        try:
            columns |= _read(entry, plain(column))
        except InvalidRows as error:
            reasons = {**error.reasons, **reasons}
    if reasons:
        raise InvalidRows(reasons)
    return columns | _table_presence([columns[entry.name] for entry in found if entry.role not in WHOLE_VIEWS])


def pack_images(
    table: pa.Table | pa.RecordBatch, roles: Roles, base: str, *, anywhere: bool = False
) -> tuple[pa.Table, dict[int, str]]:
    """Replace paths of pictures, relative to the folder `base`, by the bytes of the files.

    Returns the table and why a row's picture could not be read, by the row's place in it; such a cell is empty.
    `anywhere` lets paths leave the folder: for a user's own files on his own machine, never for a file that was sent.
    """
    packed = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    rejected: dict[int, str] = {}
    for entry in roles.used:
        column = _find(packed, entry)
        if entry.role == "image" and column is not None and is_string(plain(column).type):
            cells, rejected = picture_files(plain(column).to_pylist(), base, anywhere)
            name = entry.column if entry.column in packed.column_names else entry.name
            index = packed.column_names.index(name)
            packed = packed.set_column(index, name, pa.array(cells, pa.large_binary()))
    return packed, rejected


def _find(table: pa.Table | pa.RecordBatch, entry: ColumnRole) -> Any:
    names = table.schema.names
    name = next((name for name in (entry.column, entry.name) if name in names), None)
    return None if name is None else table.column(names.index(name))


def _refuse_gaps(roles: Roles, found: dict[ColumnRole, Any]) -> None:
    """A view of several columns is there whole or not at all; and some view must be there."""
    missing = [entry.column for entry in roles.used if entry not in found and entry.role not in WHOLE_VIEWS]
    if missing and any(entry.role not in WHOLE_VIEWS for entry in found):
        raise InvalidInput(f"the table lacks the columns {listed(map(repr, missing))}; give them, empty where unknown")
    if not found:
        expected = listed(repr(entry.column) for entry in roles.used)
        raise InvalidInput(f"the table has none of the columns that are read: {expected}")


def _read(entry: ColumnRole, column: pa.Array) -> Columns:
    if entry.role == "numeric":
        return {entry.name: numbers(entry.column, column)}
    cells = byte_strings(entry.column, column)
    if entry.role == "categorical":
        return {entry.name: cells}
    present: NDArray[np.bool_] = np.fromiter(map(bool, cells), bool, len(cells))
    return {entry.name: cells} if present.all() else {entry.name: cells, f"{entry.name}.present": present}


def _table_presence(cells: list[NDArray[Any]]) -> Columns:
    if not cells:
        return {}
    present = np.logical_or.reduce([_given(column) for column in cells])
    return {} if present.all() else {"tabular.present": present}


def _given(column: NDArray[Any]) -> NDArray[np.bool_]:
    if column.dtype.kind == "f":
        given: NDArray[np.bool_] = ~np.isnan(column)
        return given
    return np.fromiter(map(bool, column), bool, len(column))


def picture_files(paths: list[str | None], base: str, anywhere: bool) -> tuple[list[bytes], dict[int, str]]:
    """Read pictures by their paths from the folder `base`; what could not be read is empty, its reason by its place."""
    fs, root = fsspec.core.url_to_fs(base)
    cells, rejected = [], {}
    for row, path in enumerate(paths):
        try:
            cells.append(_file(fs, root, path, anywhere) if path else b"")
        except (OSError, ValueError) as error:
            cells.append(b"")
            rejected[row] = f"picture {path!r} cannot be read: {getattr(error, 'strerror', None) or error}"
    return cells, rejected


def _file(fs: Any, root: str, path: str, anywhere: bool) -> bytes:
    full = posixpath.normpath(posixpath.join(root, path))
    if not anywhere and not _inside(fs, root, full):
        raise ValueError("the path leaves the table's folder; give pictures beside the table")
    with fs.open(full, "rb") as file:
        data: bytes = file.read(MAX_PICTURE_BYTES + 1)
    if len(data) > MAX_PICTURE_BYTES:
        raise ValueError(f"more than {MAX_PICTURE_BYTES} bytes")
    return data


def _inside(fs: Any, root: str, full: str) -> bool:
    """Whether the file lies in the folder, links followed where the file system has them."""
    protocols = (fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol
    if "file" in protocols:
        return Path(full).resolve().is_relative_to(Path(root).resolve())
    return full.startswith(posixpath.normpath(root) + "/")
