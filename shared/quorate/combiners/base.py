"""What every combiner is: a pure function of what the members said and who said it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from quorate.ensemble import BoolArray, FloatArray

TINY = 1e-7
"""Probabilities are clipped to [TINY, 1] before a logarithm."""


class Combiner(Protocol):
    """Merges the members' outputs; built once a version from JSON parameters, then called from any thread."""

    def combine(self, outputs: FloatArray, present: BoolArray) -> FloatArray:
        """Return probabilities [rows, classes] (each row sums to 1), or values [rows, 1] for a regression.

        `outputs` is [members, rows, classes], `present` is [members, rows]; where a member is absent its
        outputs are ignored, whatever they hold. A row that nobody answered gives NaN in every class.
        """
        ...


def pattern_of(present: BoolArray) -> str:
    """Write one row's presence [members] as the key that parameters and quality are kept under: "101"."""
    return "".join("1" if there else "0" for there in present)


def normalised(scores: FloatArray) -> FloatArray:
    """Scale each row's non-negative scores to sum to 1; a row of zeros becomes NaN."""
    with np.errstate(invalid="ignore", divide="ignore"):
        result: FloatArray = scores / scores.sum(axis=-1, keepdims=True)
    return result


def softmax(logits: FloatArray) -> FloatArray:
    """Turn each row's logits into probabilities, without overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return normalised(shifted)
