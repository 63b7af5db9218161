"""Whether those who answered may decide: a least count, a least weight, and members that must be there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from quorate.ensemble import BoolArray, Ensemble


@dataclass(frozen=True)
class Quorum:
    """An ensemble's policy, ready to be asked about any set of its members."""

    names: tuple[str, ...]
    min_members: int
    least_weight: float
    weights: tuple[float, ...]
    required: tuple[int, ...]

    def lacks(self, present: Collection[bool] | BoolArray) -> str:
        """Say what the members [M] that are present lack to decide; empty where they may."""
        absent = [self.names[index] for index in self.required if not list(present)[index]]
        if absent:
            return f"required {_plural('member', absent)} {', '.join(absent)} not there"
        count = sum(bool(there) for there in present)
        if count < self.min_members:
            return f"{count} of the {self.min_members} members needed"
        weight = sum(weight for weight, there in zip(self.weights, present, strict=True) if there)
        # Sums of shares such as 0.1 + 0.2 may fall short of 0.3 by rounding alone.
        if weight < self.least_weight - 1e-9:
            return f"weight {weight:g} of the {self.least_weight:g} needed"
        return ""

    def lacking_rows(self, present: BoolArray) -> dict[int, str]:
        """Map each row of `present` [M, N] that may not be decided to what it lacks."""
        patterns, rows = np.unique(present, axis=1, return_inverse=True)
        lacks = [self.lacks(patterns[:, index]) for index in range(patterns.shape[1])]
        return {row: lacks[index] for row, index in enumerate(rows.reshape(-1).tolist()) if lacks[index]}


def quorum_of(ensemble: Ensemble) -> Quorum:
    """Read the ensemble's policy; `min_weight` is a share of the sum of all its members' weights."""
    policy = ensemble.policy
    names = tuple(member.name for member in ensemble.members)
    weights = tuple(float(policy.weights.get(name, 1.0)) for name in names)
    required = tuple(index for index, name in enumerate(names) if name in policy.required)
    return Quorum(names, policy.min_members, policy.min_weight * sum(weights), weights, required)


def _plural(word: str, things: Collection[object]) -> str:
    return word if len(things) == 1 else f"{word}s"
