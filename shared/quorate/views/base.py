"""What a view is: how raw columns of items become a model's input, the same in training and in serving."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from quorate.ensemble import Columns, InputBinding


class Preprocessor(Protocol):
    """A fitted view: turns raw columns into the model's feed. Thread-safe; keeps no state between calls."""

    view: str
    inputs: tuple[InputBinding, ...]

    def transform(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Return the model's inputs by name, batch first.

        Raises InvalidRows for cells that cannot be read (not an image, not UTF-8, infinite), and
        InvalidInput for a column that is missing, of the wrong datatype or shape.
        """
        ...

    def parameters(self) -> Mapping[str, Any]:
        """What was fitted, as JSON; assets (a vocabulary) stand beside it under `assets()`."""
        ...

    def assets(self) -> Mapping[str, bytes]:
        """Files that belong to the parameters, by name; they are stored inside the artifact."""
        ...


@dataclass(frozen=True)
class Limits:
    """What a preprocessor refuses, so that one item cannot take a worker down."""

    max_image_pixels: int = 16_000_000
    max_text_bytes: int = 1 << 20


@dataclass(frozen=True)
class View:
    """One way of looking at an item: all that `quorate.views` needs to know of it.

    A module of this package that holds a `VIEW` adds one; nothing else has to change.
    """

    name: str
    fit: Callable[[Columns, Mapping[str, Any]], Preprocessor]
    """Learn a preprocessor from training columns; unknown or unfit options raise InvalidInput."""
    load: Callable[[Mapping[str, Any], Mapping[str, bytes], Limits], Preprocessor]
    """Rebuild a preprocessor from parameters and assets; InvalidSpec where they do not fit."""
    inputs: Callable[[Mapping[str, Any]], tuple[InputBinding, ...]]
    """The tensors that a worker of this view takes, from the parameters alone."""
