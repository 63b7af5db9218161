"""A request's columns, checked against its ensemble: how many rows, and which views stand in which of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, Columns
from quorate.errors import InvalidInput, InvalidRows, TooLarge, listed, nearest
from services.coordinator.engine.inputs import PRESENT, InputTensor


@dataclass(frozen=True, slots=True)
class Items:
    """Rows to be answered. `present` [views, N] is None where every view is there in every row."""

    rows: int
    columns: Columns
    present: BoolArray | None


def read_items(
    ensemble: str, views: tuple[str, ...], tensors: dict[str, InputTensor], columns: Columns, max_rows: int
) -> Items:
    """Check names, datatypes, shapes and row counts; raise InvalidInput, InvalidRows or TooLarge naming what is wrong.

    A view's rows are there when one of its tensors is given and `<view>.present` does not say otherwise.
    """
    marks = {name: array for name, array in columns.items() if name.endswith(PRESENT) and name not in tensors}
    given = {name: array for name, array in columns.items() if name not in marks} if marks else columns
    known = {f"{view}{PRESENT}" for view in views}
    if unknown := [name for name in (*given, *marks) if name not in tensors and name not in known]:
        raise _unknown(ensemble, unknown, views, tensors)
    if not given:
        raise InvalidInput(f"the request holds no input of {ensemble!r}; send at least one of {_by_view(tensors)}")
    rows = _agreed_rows(columns, max_rows)
    for name, array in given.items():
        _check_tensor(tensors[name], array)
    _refuse_infinity(given)
    return Items(rows, given, _presence(views, {tensors[name].view for name in given}, marks, rows))


def _unknown(ensemble: str, names: list[str], views: tuple[str, ...], tensors: dict[str, InputTensor]) -> InvalidInput:
    if all(name.endswith(PRESENT) for name in names):
        return InvalidInput(
            f"{ensemble!r} has no view {listed(repr(name.removesuffix(PRESENT)) for name in names)}; "
            f"its views are {listed(views)}"
        )
    hint = nearest(names[0], tensors) if len(names) == 1 else ""
    return InvalidInput(
        f"{ensemble!r} has no input {listed(map(repr, names))}{hint}; its inputs are {_by_view(tensors)}"
    )


def _by_view(tensors: dict[str, InputTensor]) -> str:
    """Write the inputs, those that are views of their own first, since a table's columns may be many."""
    views_first = sorted(tensors, key=lambda name: name != tensors[name].view)
    return listed(views_first)


def _agreed_rows(columns: Columns, max_rows: int) -> int:
    counts = {name: array.shape[0] if array.ndim else -1 for name, array in columns.items()}
    rows = next(iter(counts.values()))
    if any(count != rows for count in counts.values()) or rows < 0:
        got = listed(f"{name} {list(columns[name].shape)}" for name in columns)
        raise InvalidInput(f"every tensor's first dimension is the number of rows, and they must agree; got {got}")
    if rows == 0:
        raise InvalidInput("the request holds 0 rows; send at least 1")
    if rows > max_rows:
        raise TooLarge(f"the request holds {rows} rows, above the limit of {max_rows}; split it, or submit a job")
    return rows


def _check_tensor(tensor: InputTensor, array: NDArray[Any]) -> None:
    is_text = array.dtype.kind in "OSU"
    if tensor.view == "image" and array.dtype == np.uint8:
        if array.ndim not in (3, 4):
            raise InvalidInput(f"{tensor.name!r} as UINT8 is [N,H,W] or [N,H,W,C]; got {list(array.shape)}")
        return
    if is_text != (tensor.datatype == "BYTES"):
        held = "BYTES" if is_text else str(array.dtype)
        raise InvalidInput(f"{tensor.name!r} is {held}; {_expected(tensor)}")
    if len(tensor.shape) == 1 and array.ndim != 1:
        raise InvalidInput(f"{tensor.name!r} has shape {list(array.shape)}; send one value a row, [{array.shape[0]}]")


def _expected(tensor: InputTensor) -> str:
    if tensor.view == "image":
        return "send BYTES [N] (JPEG or PNG files) or UINT8 [N,H,W,C]"
    return f"send {tensor.datatype}" if tensor.datatype == "BYTES" else f"send numbers, as {tensor.datatype}"


def _refuse_infinity(columns: Columns) -> None:
    floats = {name: array for name, array in columns.items() if array.dtype.kind == "f"}
    if not floats or not np.isinf(np.concatenate([array.ravel() for array in floats.values()])).any():
        return
    reasons: dict[int, str] = {}
    for name, array in floats.items():
        for row in np.flatnonzero(np.isinf(array.reshape(len(array), -1)).any(axis=1)).tolist():
            reasons.setdefault(row, f"column {name!r} is infinite; send a finite number, or NaN where it is missing")
    raise InvalidRows(reasons)


def _presence(views: tuple[str, ...], given: set[str], marks: Columns, rows: int) -> BoolArray | None:
    if not marks and len(given) == len(views):
        return None
    present = np.zeros((len(views), rows), dtype=bool)
    for index, view in enumerate(views):
        mark = marks.get(f"{view}{PRESENT}")
        if mark is not None:
            present[index] = _checked_mark(view, mark, view in given)
        elif view in given:
            present[index] = True
    nothing = np.flatnonzero(~present.any(axis=0)).tolist()
    if nothing:
        raise InvalidRows(dict.fromkeys(nothing, f"no view is there; give at least one of {', '.join(views)}"))
    return None if present.all() else present


def _checked_mark(view: str, mark: NDArray[Any], given: bool) -> BoolArray:
    if mark.dtype != np.bool_ or mark.ndim != 1:
        raise InvalidInput(f"'{view}{PRESENT}' is {mark.dtype} {list(mark.shape)}; send BOOL [N]")
    if not given and mark.any():
        raise InvalidInput(f"'{view}{PRESENT}' says that {view!r} is there, but none of its tensors is in the request")
    return mark
