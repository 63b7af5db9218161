"""Learns how views are pooled, after the members of each have been averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quorate.combiners import pattern_of
from quorate.combiners.multi_view import ViewGroups
from quorate.fitting.base import OutOfFold, members_of
from quorate.fitting.log_pool import fit_patterns


def fit_multi_view(data: OutOfFold, patterns: Sequence[str]) -> dict[str, Any]:
    """Fit each pattern of views that these patterns of members come to; returns the parameters of a `multi_view`."""
    groups = ViewGroups(data.views)
    outputs, present = groups.average(data.outputs, data.present)
    there = [pattern_of(groups.present(members_of(pattern)[:, None])[:, 0]) for pattern in patterns]
    return fit_patterns(outputs, present, data.labels, list(dict.fromkeys(there)))
