"""What runs a model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class TensorSpec:
    """A model's input or output: `dtype` is None for what is no tensor; a dimension of None may have any size."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...]
    kind: str = ""
    """The runtime's own word for the type, for messages."""

    def __str__(self) -> str:
        return f"{self.name} ({self.kind} [{', '.join('?' if size is None else str(size) for size in self.shape)}])"


class Backend(Protocol):
    """A loaded model. `run` is called from several threads at once, and keeps no state between calls."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[Any]:
        """Return the named outputs; MemberError when the model fails."""
        ...
