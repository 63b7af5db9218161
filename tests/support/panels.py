"""Members whose accuracy and independence a test chooses."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray


def panel(
    noise: list[float], rows: int = 600, classes: int = 4, seed: int = 0
) -> tuple[FloatArray, BoolArray, NDArray[Any]]:
    """Give outputs, presence (everyone) and labels of independent members; more noise knows less."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    logits = np.stack([rng.normal(0, level, (rows, classes)) for level in noise]) + 2.0 * np.eye(classes)[labels]
    scores = np.exp(logits)
    return scores / scores.sum(axis=-1, keepdims=True), np.ones((len(noise), rows), dtype=bool), labels


def log_loss(probabilities: FloatArray, labels: NDArray[Any]) -> float:
    """Average the negative logarithm of what each true label was given."""
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())
