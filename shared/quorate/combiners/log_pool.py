"""The weighted logarithmic opinion pool.

Source: C. Genest, J. V. Zidek, "Combining Probability Distributions: A Critique and an Annotated Bibliography",
Statistical Science 1(1), 1986. The weights need not sum to 1: fitted ones also sharpen or flatten the pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quorate.combiners.base import TINY, Combiner, softmax
from quorate.combiners.parameters import Vector, patterns_of, pool_of, refuse_unknown, weights_of
from quorate.combiners.patterns import merge_by_pattern
from quorate.combiners.registry import Panel, combiner_kind
from quorate.ensemble import BoolArray, FloatArray, Task


@dataclass(frozen=True)
class Pool:
    """What was fitted for one presence pattern: a weight for each that is present, a bias for each class."""

    weights: Vector
    bias: Vector | None = None

    def merge(self, outputs: FloatArray) -> FloatArray:
        """Return probabilities proportional to exp(sum_m w_m log p_m + b) of [present, rows, classes]."""
        logs = np.log(np.minimum(np.maximum(outputs, TINY), 1.0))
        # einsum, since BLAS splits large batches among threads that spin where the cores are busy serving.
        logits = np.einsum("m,mnc->nc", self.weights, logs)
        return softmax(logits if self.bias is None else logits + self.bias)


class LogPool:
    """Pool by the parameters of each row's own presence pattern.

    Where a pattern was not fitted, the present members' general weights are scaled to sum to 1 and there is no
    bias: their weighted geometric mean.
    """

    def __init__(self, weights: Vector, fitted: Mapping[str, Pool]) -> None:
        self._weights = weights
        self._pools = {bytes(map(int, pattern)): pool for pattern, pool in fitted.items()}

    def combine(self, outputs: FloatArray, present: BoolArray) -> FloatArray:
        """Return the pool's probabilities [rows, classes]; see `quorate.combiners.base.Combiner`."""
        return merge_by_pattern(outputs, present, self._merge)

    def _merge(self, outputs: FloatArray, pattern: BoolArray) -> FloatArray:
        pool = self._pools.get(pattern.tobytes())
        if pool is None:
            weights = self._weights[pattern]
            pool = Pool(weights / weights.sum())
        return pool.merge(outputs)


def read_log_pool(parameters: Mapping[str, Any], names: tuple[str, ...], classes: int) -> LogPool:
    """Build the pool of these names (members or views) from `weights` and `patterns`, checked."""
    fitted = patterns_of(parameters, len(names))
    pools = {pattern: Pool(*pool_of(pattern, values, classes)) for pattern, values in fitted.items()}
    return LogPool(weights_of(parameters, names), pools)


@combiner_kind("log_pool", Task.CLASSIFICATION)
def log_pool(panel: Panel, parameters: Mapping[str, Any]) -> Combiner:
    """Build a log pool of the members."""
    refuse_unknown(parameters, "log_pool", "weights", "patterns")
    return read_log_pool(parameters, panel.members, panel.classes)
