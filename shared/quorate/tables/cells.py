"""Arrow columns as plain arrays, and strings as the numbers they spell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from quorate.errors import InvalidInput, InvalidRows

MISSING = pa.array(["", "na", "n/a", "nan", "null", "none"])
"""What a missing number looks like in a file without types, in lower case."""


def plain(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The column in one piece, with dictionaries and views decoded."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if array.type == pa.string_view():
        array = array.cast(pa.string())
    return array.cast(pa.binary()) if array.type == pa.binary_view() else array


def is_string(kind: pa.DataType) -> bool:
    """Whether cells of this type are text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether cells of this type are bytes."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


def is_number(kind: pa.DataType) -> bool:
    """Whether cells of this type are numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def typed(table: pa.Table) -> pa.Table:
    """Turn each column of strings into integers, floats or booleans, where every cell that is not missing is one."""
    columns = [_typed(plain(column)) if is_string(column.type) else column for column in table.columns]
    return pa.table(columns, names=table.column_names)


def numbers(name: str, column: pa.Array) -> NDArray[np.float64]:
    """The column as float64, missing as NaN; InvalidRows names each cell that spells no number."""
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if is_bytes(column.type):
        raise InvalidInput(f"the column {name!r} holds bytes where numbers are expected")
    if is_string(column.type):
        column = _spelled(name, column)
    try:
        cast = column.cast(pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"the column {name!r} holds {column.type} where numbers are expected") from error
    values: NDArray[np.float64] = cast.fill_null(np.nan).to_numpy(zero_copy_only=False)
    return values


def byte_strings(name: str, column: pa.Array) -> NDArray[Any]:
    """The column as an object array of bytes, missing as empty; numbers and booleans as they are written."""
    try:
        if not (is_string(column.type) or is_bytes(column.type)):
            column = column.cast(pa.string())
        filled = column.cast(pa.large_binary()).fill_null(b"")
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"the column {name!r} holds {column.type}; give strings, numbers or booleans") from error
    cells: NDArray[Any] = filled.to_numpy(zero_copy_only=False)
    return cells


def _trimmed(column: pa.Array) -> pa.Array:
    """Strings without the spaces around them, and what spells a missing value as null."""
    trimmed = pc.utf8_trim_whitespace(column)
    return pc.if_else(
        pc.is_in(pc.utf8_lower(trimmed), MISSING.cast(column.type)), pa.scalar(None, column.type), trimmed
    )


def _typed(column: pa.Array) -> pa.Array:
    trimmed = _trimmed(column)
    # 007 is a code, not a number, and so is a column of nothing.
    coded = pc.any(pc.match_substring_regex(trimmed, r"^[+-]?0[0-9]")).as_py()
    if coded or trimmed.null_count == len(trimmed):
        return column
    for kind in (pa.int64(), pa.float64(), pa.bool_()):
        if pa.types.is_boolean(kind) and not pc.all(pc.match_substring_regex(trimmed, "(?i)^(true|false)$")).as_py():
            continue
        try:
            return trimmed.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _spelled(name: str, column: pa.Array) -> pa.Array:
    trimmed = _trimmed(column)
    try:
        return trimmed.cast(pa.float64())
    except pa.ArrowInvalid:
        bad = {row: cell for row, cell in enumerate(trimmed.to_pylist()) if cell is not None and not _is_number(cell)}
    if bad:
        raise InvalidRows(
            {row: f"column {name!r} holds {cell[:60]!r} where a number is expected" for row, cell in bad.items()}
        )
    return pa.array([None if cell is None else float(cell) for cell in trimmed.to_pylist()], pa.float64())


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell  # Python reads 1_000 as a number; no file means that
