"""How much of a caller's time is kept back for combining and replying."""

from __future__ import annotations

FLOOR_SECONDS = 0.002
LARGEST_SHARE = 0.25
"""Of the caller's time: a reserve that one slow reply drove up must not eat the members' time."""
_WEIGHT = 0.1
_MARGIN = 2.0


class Reserve:
    """An exponentially weighted mean of what the way back took, with a margin."""

    def __init__(self) -> None:
        self._mean_seconds = 0.0

    def note(self, seconds: float) -> None:
        """Learn from one reply."""
        self._mean_seconds += _WEIGHT * (seconds - self._mean_seconds)

    def of(self, budget_seconds: float) -> float:
        """Return the seconds to keep back of this budget."""
        return min(max(FLOOR_SECONDS, _MARGIN * self._mean_seconds), LARGEST_SHARE * budget_seconds)
