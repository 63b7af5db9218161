"""What combiners are learned from, and which subsets of members they are learned for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.combiners import Panel, pattern_of
from quorate.combiners.patterns import patterns
from quorate.ensemble import BoolArray, FloatArray, Task
from quorate.errors import InvalidInput

MAX_MEMBERS_IN_FULL = 8
"""Up to so many members every subset is fitted; 2 to the 8th is what a version's JSON and a fit's time bear."""
_COMMON = 64


@dataclass(frozen=True)
class OutOfFold:
    """Members' outputs [members, rows, classes] for rows they were not trained on, and what is true there.

    `labels` is [rows] positions in the labels (classification), [rows, classes] 0 or 1 (multilabel) or [rows]
    values (regression). Outputs of an absent member are ignored. Raises InvalidInput where these do not fit together.
    """

    outputs: FloatArray
    present: BoolArray
    labels: NDArray[Any]
    views: tuple[tuple[str, ...], ...]
    task: Task = Task.CLASSIFICATION

    def __post_init__(self) -> None:
        members, rows, classes = self.outputs.shape
        expected = (rows, classes) if self.task is Task.MULTILABEL else (rows,)
        if self.present.shape != (members, rows) or self.labels.shape != expected or len(self.views) != members:
            raise InvalidInput(
                f"outputs {self.outputs.shape}, present {self.present.shape}, labels {self.labels.shape} and "
                f"{len(self.views)} members' views do not fit together; give outputs [members, rows, classes], "
                f"present [members, rows] and labels {list(expected)}"
            )
        if not np.isfinite(self.outputs[self.present]).all():
            raise InvalidInput("a present member's outputs hold NaN or infinity; mark it absent there, or repair it")
        if self.task is Task.CLASSIFICATION and rows and not 0 <= self.labels.min() <= self.labels.max() < classes:
            raise InvalidInput(f"labels go from {self.labels.min()} to {self.labels.max()}; give 0 to {classes - 1}")

    @property
    def panel(self) -> Panel:
        """Describe the members to a combiner; their names do not matter here."""
        names = tuple(str(position) for position in range(len(self.views)))
        return Panel(names, self.views, self.task, self.outputs.shape[2])

    def rows(self, where: NDArray[Any]) -> OutOfFold:
        """Give some of the rows, by mask or position."""
        return replace(self, outputs=self.outputs[:, where], present=self.present[:, where], labels=self.labels[where])

    def quorum(self, pattern: str) -> OutOfFold:
        """Give the rows where all of the pattern's members are present, as if nobody else were."""
        members = members_of(pattern)
        there = self.rows(np.flatnonzero(self.present[members].all(axis=0)))
        return replace(there, present=there.present & members[:, None])


def members_of(pattern: str) -> BoolArray:
    """Turn "101" into a mask [members]."""
    return np.array([there == "1" for there in pattern])


def subsets(present: BoolArray) -> list[str]:
    """Name the patterns worth fitting: every subset of up to 8 members.

    With more members: all, all but one, and the 64 patterns that are commonest in `present` [members, rows].
    """
    members = len(present)
    if members <= MAX_MEMBERS_IN_FULL:
        return sorted(("".join(bits) for bits in product("01", repeat=members) if "1" in bits), reverse=True)
    everyone = "1" * members
    but_one = [everyone[:left] + "0" + everyone[left + 1 :] for left in range(members)]
    return list(dict.fromkeys([everyone, *but_one, *occurring(present)[:_COMMON]]))


def occurring(present: BoolArray) -> list[str]:
    """Name the patterns that occur, commonest first, without the one where nobody is present."""
    counted = sorted(((len(rows), pattern_of(pattern)) for pattern, rows in patterns(present)), reverse=True)
    return [pattern for _, pattern in counted if "1" in pattern]
