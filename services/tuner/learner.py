"""What a learner is: a recipe that turns one view's examples into a model that ONNX can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import FloatArray
from services.tuner.objective import Objective

Feed = Mapping[str, NDArray[Any]]
"""A model's inputs by name, batch first, as `Preprocessor.transform` gives them."""

Fraction = Callable[[float], None]
"""Told how much of a training run is done, 0 to 1."""


@dataclass(frozen=True)
class Examples:
    """Rows to learn from: the model's feed, and a class index or a number for each."""

    feed: Feed
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.targets)


@dataclass(frozen=True)
class Run:
    """One training run's conditions.

    With `held_out`, training stops once its score on them no longer improves and the best round is kept;
    without, exactly `rounds` rounds are trained.
    """

    train: Examples
    held_out: Examples | None
    rounds: int | None
    seed: int
    progress: Fraction


class Model(Protocol):
    """A trained model."""

    @property
    def rounds(self) -> int:
        """Epochs or trees up to the best one."""
        ...

    def predict(self, feed: Feed) -> FloatArray:
        """Probabilities [N, C] or values [N, 1] in float32."""
        ...

    def to_onnx(self) -> bytes:
        """The same function as one ONNX file, its output named by the objective."""
        ...


class Learner(Protocol):
    """A recipe for one view. Stateless: two runs with one seed give one model, whatever runs beside them.

    Runs go side by side in threads, so each keeps to a single core.
    """

    @property
    def name(self) -> str:
        """What lineage and progress call it."""
        ...

    @property
    def preprocessing(self) -> Mapping[str, Any]:
        """Options for `quorate.views.fit_preprocessor` that suit this learner."""
        ...

    def fit(self, run: Run, objective: Objective) -> Model:
        """Train once."""
        ...


def feed_rows(feed: Feed, rows: NDArray[np.intp] | slice) -> dict[str, NDArray[Any]]:
    """Those rows of every input."""
    return {name: array[rows] for name, array in feed.items()}
