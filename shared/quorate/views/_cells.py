"""Checks that every view makes of a raw column before it reads the cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from quorate.ensemble import Columns
from quorate.errors import InvalidInput, InvalidRows, InvalidSpec, listed, not_utf8

Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Parameters or options of a view: frozen, and no field that nobody reads."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def parsed(model: type[Model], given: Mapping[str, Any], what: str) -> Model:
    """Read parameters or options; InvalidSpec names the field, what it holds and what would fit."""
    try:
        return model.model_validate(dict(given))
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc'])) or 'all'}={e['input']!r:.80}: {e['msg']}" for e in error.errors())
        raise InvalidSpec(f"{what} do not validate: {'; '.join(lines)}") from error


def column_of(columns: Columns, name: str) -> NDArray[Any]:
    """The column, or InvalidInput with the names that are there."""
    try:
        return columns[name]
    except KeyError:
        raise InvalidInput(f"the column {name!r} is missing; the columns given are: {listed(columns)}") from None


def one_dimensional(name: str, column: NDArray[Any]) -> NDArray[Any]:
    """The column itself, if it has one cell a row."""
    if column.ndim != 1:
        raise InvalidInput(f"the column {name!r} has shape {list(column.shape)}; send one cell a row, shape [N]")
    return column


def strings_of(name: str, column: NDArray[Any], max_bytes: int) -> list[str]:
    """Decode every cell; InvalidRows for what is no UTF-8 or longer than `max_bytes`, with every such row."""
    if one_dimensional(name, column).dtype.kind not in "OSU":
        raise InvalidInput(f"the column {name!r} holds {column.dtype}; send UTF-8 text as BYTES")
    strings: list[str] = []
    reasons: dict[int, str] = {}
    for row, cell in enumerate(column.tolist()):
        try:
            strings.append(_decoded(cell, max_bytes))
        except UnicodeError as error:
            strings.append("")
            reasons[row] = f"column {name!r} is {not_utf8(error)}"
        except ValueError as error:
            strings.append("")
            reasons[row] = f"column {name!r}: {error}"
    if reasons:
        raise InvalidRows(reasons)
    return strings


def rows_of(columns: Columns, names: tuple[str, ...]) -> int:
    """How many rows the named columns have, or InvalidInput where they differ."""
    counts = {name: len(columns[name]) for name in names}
    if len(set(counts.values())) > 1:
        raise InvalidInput(f"columns differ in their number of rows: {counts}; send the same number in each")
    return next(iter(counts.values()), 0)


def object_array(cells: list[Any]) -> NDArray[Any]:
    """One object a cell, even where the cells are sequences themselves."""
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


def _decoded(cell: object, max_bytes: int) -> str:
    if isinstance(cell, str):
        text, size = cell, len(cell)
        if not cell.isascii():
            size = len(cell.encode())  # a lone surrogate raises here, before a tokenizer would
    elif isinstance(cell, bytes):
        text, size = "", len(cell)
        if size <= max_bytes:
            text = cell.decode()
    else:
        raise ValueError(f"{type(cell).__name__} where UTF-8 text is expected")
    if size > max_bytes:
        raise ValueError(f"{size} bytes of text; at most {max_bytes} are read")
    return text
