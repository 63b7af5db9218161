"""The view `tabular`: a table's numeric and categorical columns become one float32 matrix, `features` [N, F].

`encoding: codes` keeps the columns' order, one feature each, a category as its position in the known ones (NaN if
it is none of them): what tree models take. `encoding: onehot` gives numbers first, then an indicator for each number
that was missing in training, then one feature a category: what networks take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import Columns, FloatArray, InputBinding
from quorate.errors import InvalidInput, InvalidRows, InvalidSpec
from quorate.views._cells import column_of, one_dimensional, parsed, rows_of, strings_of
from quorate.views._table import CategoricalColumn, NumericColumn, Options, Parameters
from quorate.views.base import Limits, Preprocessor, View

NAME = "tabular"


class TabularPreprocessor:
    """Stacks the columns, imputes, scales and encodes them, for any number of rows."""

    view = NAME

    def __init__(self, parameters: Parameters) -> None:
        self._parameters = parameters
        columns = parameters.columns
        self._names = tuple(column.name for column in columns)
        self.inputs = _inputs(parameters)
        self._codes = [_codes_of(c.categories) if isinstance(c, CategoricalColumn) else None for c in columns]
        scaled = [c if isinstance(c, NumericColumn) else None for c in columns]
        self._mean = np.array([c.mean if c else 0.0 for c in scaled])
        self._std = np.array([c.std if c else 1.0 for c in scaled])
        self._fill = np.array([c.fill if c and c.fill is not None else np.nan for c in scaled])
        self._scales = bool((self._mean != 0).any() or (self._std != 1).any())
        self._fills = not np.isnan(self._fill).all()
        self._numeric = np.array([c is not None for c in scaled])
        self._indicators = np.array([c is not None and c.indicator for c in scaled])
        # For each one-hot feature: the column it comes from, and the code that switches it on.
        widths = [0 if c is None else len(c) // 2 for c in self._codes]
        self._owner = np.repeat(np.arange(len(columns)), widths)
        self._position = np.concatenate([np.arange(width, dtype=np.float32) for width in widths])

    def transform(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Return `features` float32 [N, F]; see `Preprocessor.transform` for what is refused."""
        raw = self._stacked(columns)
        missing = np.isnan(raw)
        if self._fills:
            raw = np.where(missing, self._fill, raw)
        if self._scales:
            raw = (raw - self._mean) / self._std
        with np.errstate(over="ignore"):
            features = raw.astype(np.float32)
        _refuse_infinite(features, self._names)
        if self._parameters.encoding == "onehot":
            features = self._one_hot(features, missing)
        return {"features": features}

    def parameters(self) -> Mapping[str, Any]:
        """What was fitted, as JSON."""
        return self._parameters.model_dump(mode="json")

    def assets(self) -> Mapping[str, bytes]:
        """None: the parameters say everything."""
        return {}

    def _stacked(self, columns: Columns) -> FloatArray:
        """Every column as one of a float64 matrix [N, columns], categories as codes."""
        arrays = [column_of(columns, name) for name in self._names]
        raw = np.empty((rows_of(columns, self._names), len(arrays)))
        for index, (name, array, codes) in enumerate(zip(self._names, arrays, self._codes, strict=True)):
            raw[:, index] = numbers_of(name, array) if codes is None else _coded(name, array, codes)
        return raw

    def _one_hot(self, features: NDArray[np.float32], missing: NDArray[np.bool_]) -> NDArray[np.float32]:
        chosen = features[:, self._owner] == self._position
        parts = (features[:, self._numeric], missing[:, self._indicators], chosen)
        return np.concatenate(parts, axis=1, dtype=np.float32)


def numbers_of(name: str, column: NDArray[Any]) -> NDArray[Any]:
    """The column, if it holds numbers (integers and booleans are numbers) with one cell a row."""
    if one_dimensional(name, column).dtype.kind not in "fiub":
        raise InvalidInput(f"the column {name!r} holds {_shown(column)}; send numbers, such as FP64")
    return column


def fit(columns: Columns, options: Mapping[str, Any]) -> Preprocessor:
    """Learn scaling and categories: columns of numbers are numeric, columns of strings categorical."""
    chosen = parsed(Options, options, "options of the view 'tabular'")
    if not columns:
        raise InvalidInput("the view 'tabular' has no columns; give at least one numeric or categorical column")
    rows_of(columns, tuple(columns))
    kinds = [
        _fit_categories(name, column, chosen.max_categories)
        if column.dtype.kind in "OSU"
        else _fit_numbers(name, column, chosen)
        for name, column in columns.items()
    ]
    return TabularPreprocessor(Parameters(columns=tuple(kinds), encoding=chosen.encoding))


def load(parameters: Mapping[str, Any], assets: Mapping[str, bytes], limits: Limits) -> Preprocessor:  # noqa: ARG001
    """Rebuild the preprocessor from parameters alone."""
    return TabularPreprocessor(_read(parameters))


def _read(parameters: Mapping[str, Any]) -> Parameters:
    listed = parameters.get("columns")
    if not isinstance(listed, list | tuple) or not all(isinstance(c, Mapping) and "name" in c for c in listed):
        raise InvalidSpec("parameters of the view 'tabular' need `columns`, a list of {name, kind}; see docs/views.md")
    columns = [{"kind": "numeric", **column} for column in listed]
    return parsed(Parameters, {**parameters, "columns": columns}, "parameters of the view 'tabular'")


def _inputs(parameters: Parameters) -> tuple[InputBinding, ...]:
    return tuple(
        InputBinding(column.name, "FP64" if column.kind == "numeric" else "BYTES", (column.name,))
        for column in parameters.columns
    )


def _fit_numbers(name: str, column: NDArray[Any], chosen: Options) -> NumericColumn:
    values = numbers_of(name, column).astype(np.float64)
    _refuse_infinite(values[:, None], (name,))
    if not (chosen.imputes or chosen.scales):
        return NumericColumn(name=name)
    missing = np.isnan(values)
    if missing.all():
        raise InvalidInput(f"the column {name!r} has no value in any row; ignore it")
    mean, std = float(values[~missing].mean()), float(values[~missing].std())
    spread = std if std > 1e-12 * max(1.0, abs(mean)) else 1.0
    return NumericColumn(
        name=name,
        mean=mean if chosen.scales else 0.0,
        std=spread if chosen.scales else 1.0,
        fill=mean if chosen.imputes else None,
        indicator=chosen.imputes and bool(missing.any()),
    )


def _fit_categories(name: str, column: NDArray[Any], most: int) -> CategoricalColumn:
    counts = Counter(cell for cell in strings_of(name, column, Limits().max_text_bytes) if cell)
    frequent = sorted(counts, key=lambda category: (-counts[category], category))[:most]
    return CategoricalColumn(name=name, kind="categorical", categories=tuple(frequent))


def _refuse_infinite(values: FloatArray, names: tuple[str, ...]) -> None:
    """Raise InvalidRows for infinities, and for numbers that float32 cannot hold; NaN passes."""
    infinite = np.isinf(values)
    if infinite.any():
        rows = np.flatnonzero(infinite.any(axis=1)).tolist()
        named = {row: names[int(np.argmax(infinite[row]))] for row in rows}
        raise InvalidRows(
            {
                row: f"column {name!r} is infinite, or too large for the model; send a finite number"
                for row, name in named.items()
            }
        )


def _codes_of(categories: tuple[str, ...]) -> dict[Any, float]:
    """Positions by category, as text and as the bytes that the wire carries, so that no cell needs decoding."""
    by_text = {category: float(index) for index, category in enumerate(categories)}
    return {**by_text, **{category.encode(): code for category, code in by_text.items()}}


def _coded(name: str, column: NDArray[Any], codes: Mapping[Any, float]) -> list[float]:
    kind = one_dimensional(name, column).dtype.kind
    if kind == "f":
        raise InvalidInput(f"the column {name!r} holds {_shown(column)}; send categories as BYTES")
    if kind == "b":
        return [codes.get("true" if cell else "false", np.nan) for cell in column.tolist()]
    if kind in "iu":
        return [codes.get(str(cell), np.nan) for cell in column.tolist()]
    try:
        found = [codes.get(cell, np.nan) for cell in column.tolist()]
    except TypeError as error:
        raise InvalidInput(f"the column {name!r} holds cells that are no strings; send categories as BYTES") from error
    unknown = [row for row, code in enumerate(found) if code != code]
    if unknown:
        _refuse_unreadable(name, column, unknown)
    return found


def _refuse_unreadable(name: str, column: NDArray[Any], rows: list[int]) -> None:
    """Tell an unknown category, which the model may see, from a cell that is no text at all."""
    try:
        strings_of(name, column[rows], Limits().max_text_bytes)
    except InvalidRows as error:
        raise InvalidRows({rows[index]: reason for index, reason in error.reasons.items()}) from None


def _shown(column: NDArray[Any]) -> str:
    return "text" if column.dtype.kind in "OSU" else str(column.dtype)


VIEW = View(NAME, fit, load, lambda parameters: _inputs(_read(parameters)))
