"""How the preprocessors' feeds, or a member's own columns, fill the inputs of its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.errors import InvalidInput, InvalidRows
from quorate.serving.backends.base import TensorSpec

Array = NDArray[Any]
Step = Callable[[Array], Array]
ZEROS = ".zeros"
"""Behind a source's name: zeros of its shape, such as the segment ids that transformers take beside their tokens."""


@dataclass(frozen=True)
class Feed:
    """One input of the model: the source that fills it, and what is done to it on the way."""

    spec: TensorSpec
    source: str
    steps: tuple[Step, ...]

    def fill(self, sources: Mapping[str, Array]) -> Array:
        """Return the array that the model takes; InvalidRows for cells that its datatype cannot hold."""
        array = sources[self.source]
        for step in self.steps:
            array = step(array)
        return array


def plan_feeds(
    inputs: Sequence[TensorSpec], model_inputs: Mapping[str, str], sources: Mapping[str, Array]
) -> tuple[Feed, ...]:
    """Return a feed for every input of the model.

    `model_inputs` maps a source to the model's input name; an input that it does not name is filled by the source
    of its own name. `sources` holds a sample of every feed and column. Raises InvalidInput, naming the model's
    inputs and what there is to fill them, where they do not fit.
    """
    source_of = {name: source for source, name in model_inputs.items()}
    if unknown := sorted(set(source_of) - {spec.name for spec in inputs}):
        raise InvalidInput(f"the model has no input {', '.join(unknown)}; its inputs are {_listed(inputs)}")
    return tuple(_feed(spec, source_of.get(spec.name, spec.name), sources, inputs) for spec in inputs)


def _feed(spec: TensorSpec, source: str, sources: Mapping[str, Array], inputs: Sequence[TensorSpec]) -> Feed:
    name = source.removesuffix(ZEROS)
    if name not in sources:
        raise InvalidInput(
            f"nothing fills the model's input {spec}; there is {', '.join(sources)}; the model takes {_listed(inputs)}"
        )
    sample = sources[name]
    zeros: tuple[Step, ...] = (np.zeros_like,) if source != name else ()
    return Feed(spec, name, (*zeros, *_reshaped(spec, name, sample), _cast(spec, name, sample)))


def _reshaped(spec: TensorSpec, source: str, sample: Array) -> tuple[Step, ...]:
    """Nothing to do, or a column [N] made [N, 1]; InvalidInput where the dimensions do not fit."""
    if not spec.shape or spec.shape[0] is not None:
        raise InvalidInput(f"the model's input {spec} fixes its batch size; export it with a dynamic first dimension")
    if sample.ndim == 1 and spec.shape[1:] in ((1,), (None,)):
        return (_as_column,)
    fits = sample.ndim == len(spec.shape) and all(
        size is None or size == there for size, there in zip(spec.shape[1:], sample.shape[1:], strict=True)
    )
    if not fits:
        shape = ", ".join(["N", *map(str, sample.shape[1:])])
        raise InvalidInput(f"the model's input {spec} cannot be filled by {source!r} of shape [{shape}]")
    return ()


def _cast(spec: TensorSpec, source: str, sample: Array) -> Step:
    dtype = spec.dtype
    if dtype is None:
        raise InvalidInput(f"the model's input {spec} is no tensor; export the model with tensors as inputs")
    if (dtype.kind == "O") != (sample.dtype.kind in "OSU"):
        held = "text" if sample.dtype.kind in "OSU" else "numbers"
        raise InvalidInput(f"the model's input {spec} cannot be filled by {source!r}, which holds {held}")
    if dtype.kind == "O":
        return lambda array: _strings(source, array)
    if dtype.kind in "iub":
        return lambda array: _integers(source, array, dtype)
    return lambda array: array.astype(dtype, copy=False)


def _as_column(array: Array) -> Array:
    return array[:, None]


def _integers(source: str, array: Array, dtype: np.dtype[Any]) -> Array:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        missing = np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1)).tolist()
        raise InvalidRows(
            dict.fromkeys(missing, f"{source!r} is missing or infinite, and the model takes whole numbers")
        )
    return array.astype(dtype, copy=False)


def _strings(source: str, array: Array) -> Array:
    """BYTES as the str objects that ONNX Runtime takes for a string tensor."""
    result = np.empty(array.size, dtype=object)
    reasons: dict[int, str] = {}
    for index, cell in enumerate(array.ravel()):
        try:
            result[index] = cell.decode() if isinstance(cell, bytes) else str(cell)
        except UnicodeDecodeError as error:
            reasons[index] = f"{source!r} is not UTF-8 at byte {error.start}"
    if reasons:
        raise InvalidRows(reasons)
    return result.reshape(array.shape)


def _listed(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(map(str, specs))
