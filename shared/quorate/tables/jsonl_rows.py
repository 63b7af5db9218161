"""JSON lines to blocks, line by line, so that a broken line costs that line alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from quorate.errors import InvalidInput, not_utf8
from quorate.tables.blocks import Block, check_columns

MAX_LINE_BYTES = 64 << 20
LOOKED_LINES = 1000
INT64 = range(-(2**63), 2**63)


def jsonl_schema(file: Any, shown: str, on_looked: Callable[[], None] | None = None) -> pa.Schema:
    """Read the file once for its columns: those of every line, in the order they first appear.

    `on_looked` is called after the first of every LOOKED_LINES lines.
    """
    kinds: dict[str, set[type]] = {}
    for number, line in enumerate(_lines(file, shown)):
        if on_looked is not None and number % LOOKED_LINES == 0:
            on_looked()
        try:
            row = _parsed(line)
        except ValueError:
            continue
        for name, cell in row.items():
            kinds.setdefault(name, set()).add(_kind(cell))
    check_columns(list(kinds), shown)
    return pa.schema([(name, _type(found)) for name, found in kinds.items()])


def jsonl_blocks(file: Any, schema: pa.Schema, rows: int, shown: str) -> Iterator[Block]:
    """Yield the file's rows, at most `rows` lines at a time; a line that is no flat JSON object is rejected."""
    good: list[dict[str, Any]] = []
    numbers: list[int] = []
    rejected: dict[int, str] = {}
    for number, line in enumerate(_lines(file, shown)):
        try:
            good.append(_parsed(line))
            numbers.append(number)
        except ValueError as error:
            rejected[number] = f"no JSON row: {error}"
        if len(good) + len(rejected) == rows:
            yield _block(good, numbers, rejected, schema)
            good, numbers, rejected = [], [], {}
    if good or rejected:
        yield _block(good, numbers, rejected, schema)


def _block(good: list[dict[str, Any]], numbers: list[int], rejected: dict[int, str], schema: pa.Schema) -> Block:
    arrays = [pa.array([_cell(row.get(field.name), field.type) for row in good], field.type) for field in schema]
    return Block(pa.RecordBatch.from_arrays(arrays, schema=schema), np.array(numbers, dtype=np.int64), rejected)


def _lines(file: Any, shown: str) -> Iterator[bytes]:
    """Every line that is not blank."""
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise InvalidInput(f"{shown} has a line of more than {MAX_LINE_BYTES} bytes; JSONL has one object a line")
        if line.strip():
            yield line


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except UnicodeDecodeError as error:
        raise ValueError(not_utf8(error)) from error
    if not isinstance(row, dict):
        raise ValueError(f"{type(row).__name__} where an object is expected")
    for name, cell in row.items():
        if isinstance(cell, list | dict):
            raise ValueError(f"column {name!r} holds a {type(cell).__name__}; give one value")
    return row


def _kind(cell: Any) -> type:
    """The cell's type; an integer beyond 64 bits counts as a float."""
    return float if isinstance(cell, int) and cell not in INT64 else type(cell)


def _type(kinds: set[type]) -> pa.DataType:
    kinds = kinds - {type(None)}
    if str in kinds:
        return pa.string()
    if float in kinds:
        return pa.float64()
    return pa.bool_() if kinds == {bool} else pa.int64() if kinds else pa.null()


def _cell(cell: Any, wanted: pa.DataType) -> Any:
    """The cell in its column's type; a number in a column of strings is written as JSON writes it."""
    if cell is None:
        return None
    if pa.types.is_string(wanted):
        return cell if isinstance(cell, str) else json.dumps(cell)
    if pa.types.is_floating(wanted):
        return _float(cell)
    return int(cell) if pa.types.is_integer(wanted) else cell


def _float(cell: float) -> float:
    try:
        return float(cell)
    except OverflowError:
        return float("inf") if cell > 0 else float("-inf")
