"""Combiners that count or average: hard vote, soft vote, mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quorate.combiners.base import Combiner, normalised
from quorate.combiners.parameters import Vector, refuse_unknown, weights_of
from quorate.combiners.registry import Panel, combiner_kind
from quorate.ensemble import BoolArray, FloatArray, Task

_TIE_BREAK = 1e-4
"""What full confidence is worth in votes: enough to break a tie, too little to overturn a vote."""


class HardVote:
    """Count one vote a member for its likeliest class; ties go to the total confidence, then to the labels' order.

    The output is the share of votes, tilted by the confidence just so far that its argmax is the decision. A member
    that finds several classes equally likely splits its vote, so one that says nothing changes nothing.
    """

    def combine(self, outputs: FloatArray, present: BoolArray) -> FloatArray:
        """Return the tilted shares of votes [rows, classes]; see `quorate.combiners.base.Combiner`."""
        heard = np.where(present[..., None], outputs, 0.0)
        best = (heard == heard.max(axis=-1, keepdims=True)) & present[..., None]
        votes = (best / np.maximum(best.sum(axis=-1, keepdims=True), 1)).sum(axis=0)
        confidence = heard.sum(axis=0) / np.maximum(present.sum(axis=0), 1)[:, None]
        # Rounded, so that the order in which members are summed cannot decide between equals.
        return normalised(np.round(votes + _TIE_BREAK * confidence, 12))


class Average:
    """Average the members' outputs, class by class, with one weight a member."""

    def __init__(self, weights: Vector, *, normalise: bool) -> None:
        self._weights = weights[:, None]
        self._normalise = normalise

    def combine(self, outputs: FloatArray, present: BoolArray) -> FloatArray:
        """Return the present members' weighted mean [rows, classes]; see `quorate.combiners.base.Combiner`."""
        weights = self._weights * present
        total = np.einsum("mn,mnc->nc", weights, np.where(present[..., None], outputs, 0.0))
        if self._normalise:
            return normalised(total)
        with np.errstate(invalid="ignore"):
            mean: FloatArray = total / weights.sum(axis=0)[:, None]
        return mean


@combiner_kind("hard_vote", Task.CLASSIFICATION)
def hard_vote(panel: Panel, parameters: Mapping[str, Any]) -> Combiner:  # noqa: ARG001 - every builder's signature
    """Build a majority vote; it has no parameters."""
    refuse_unknown(parameters, "hard_vote")
    return HardVote()


@combiner_kind("soft_vote", Task.CLASSIFICATION, Task.MULTILABEL)
def soft_vote(panel: Panel, parameters: Mapping[str, Any]) -> Combiner:
    """Build an average of probabilities; each label of a multilabel task stands by itself and is not normalised."""
    refuse_unknown(parameters, "soft_vote", "weights")
    return Average(weights_of(parameters, panel.members), normalise=panel.task is Task.CLASSIFICATION)


@combiner_kind("mean", Task.REGRESSION)
def mean(panel: Panel, parameters: Mapping[str, Any]) -> Combiner:
    """Build an average of values."""
    refuse_unknown(parameters, "mean", "weights")
    return Average(weights_of(parameters, panel.members), normalise=False)
