"""What a quorum is expected to reach, looked up by who answered, and the intervals such figures carry."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from quorate.combiners.base import pattern_of
from quorate.combiners.patterns import one_pattern, patterns
from quorate.ensemble import BoolArray, FloatArray, Quality

_Z = 1.959964
"""The normal distribution's two-sided 95% point."""


def expected_quality_of(quality: Mapping[str, Quality], present: BoolArray) -> Quality | None:
    """Look up what the members present [members, rows] are expected to reach; None where that is not known.

    Rows with different members present give the mean over the rows, and an interval that is the mean of theirs,
    which is never too narrow. It holds under the assumption that absence does not depend on the row.
    """
    if not quality or not present.shape[1]:
        return None
    if one_pattern(present):
        return quality.get(pattern_of(present[:, 0]))
    shares = [(quality.get(pattern_of(pattern)), len(rows) / present.shape[1]) for pattern, rows in patterns(present)]
    known = [(found, share) for found, share in shares if found is not None]
    if len(known) < len(shares) or len({found.metric for found, _ in known}) > 1:
        return None
    value, low, high = (
        sum(getattr(found, part) * share for found, share in known) for part in ("value", "low", "high")
    )
    return Quality(known[0][0].metric, value, low, high, min(found.rows for found, _ in known))


def proportion(metric: str, successes: int, rows: int) -> Quality:
    """Give the share of successes with its 95% Wilson interval.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22, 1927.
    """
    share = successes / rows
    centre = (share + _Z**2 / (2 * rows)) / (1 + _Z**2 / rows)
    half = _Z * sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2)) / (1 + _Z**2 / rows)
    return Quality(metric, share, max(0.0, centre - half), min(1.0, centre + half), rows)


def average(metric: str, values: FloatArray) -> Quality:
    """Give the mean of one value a row (two rows or more) with its 95% interval, by the normal approximation."""
    mean = float(values.mean())
    half = _Z * float(np.std(values, ddof=1)) / sqrt(len(values))
    return Quality(metric, mean, mean - half, mean + half, len(values))
