"""Average inside each view, then pool across the views that are present.

Members of one view see the same evidence and share its errors, so averaging them is right; views are closer to
independent, where a log pool is: see docs/combiners.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from quorate.combiners.base import Combiner
from quorate.combiners.log_pool import LogPool, read_log_pool
from quorate.combiners.parameters import refuse_unknown
from quorate.combiners.registry import Panel, combiner_kind
from quorate.ensemble import BoolArray, FloatArray, Task


class ViewGroups:
    """Which members look at the same views: one group for each distinct tuple of views, in the members' order."""

    def __init__(self, views: tuple[tuple[str, ...], ...]) -> None:
        distinct = tuple(dict.fromkeys(views))
        self.names = tuple("+".join(group) for group in distinct)
        self._belongs = np.array([[float(own == group) for own in views] for group in distinct])

    def present(self, present: BoolArray) -> BoolArray:
        """Tell which groups have somebody present [groups, rows], from the members present [members, rows]."""
        there: BoolArray = self._belongs @ present > 0
        return there

    def average(self, outputs: FloatArray, present: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Average each group's present members: [groups, rows, classes], and which groups are there [groups, rows].

        A group of whom nobody is present holds zeros, to be ignored.
        """
        counts = self._belongs @ present
        totals = np.einsum("gm,mnc->gnc", self._belongs, np.where(present[..., None], outputs, 0.0))
        return totals / np.maximum(counts, 1.0)[..., None], counts > 0


class MultiView:
    """Soft vote inside each group of views, log pool across groups, refitted for every pattern of present groups."""

    def __init__(self, groups: ViewGroups, pool: LogPool) -> None:
        self._groups = groups
        self._pool = pool

    def combine(self, outputs: FloatArray, present: BoolArray) -> FloatArray:
        """Return the pooled probabilities [rows, classes]; see `quorate.combiners.base.Combiner`."""
        return self._pool.combine(*self._groups.average(outputs, present))


@combiner_kind("multi_view", Task.CLASSIFICATION)
def multi_view(panel: Panel, parameters: Mapping[str, Any]) -> Combiner:
    """Build the two stages; `weights` and `patterns` speak of groups of views ("text", "image", "text+image")."""
    refuse_unknown(parameters, "multi_view", "weights", "patterns")
    groups = ViewGroups(panel.views)
    return MultiView(groups, read_log_pool(parameters, groups.names, panel.classes))
