"""How long a batch is held for company: not at all at low load, and up to the configured wait as callers overlap."""

from __future__ import annotations

_FORGET = 0.1
_SLOW_CALL = 1.5
_LONGEST_WAITS = 5.0


class Pace:
    """Learns from a member's calls how many callers are about at once, and how long a call lasts.

    A closed loop of callers comes back together: once as many are here as there were lately, nobody else is to
    be expected and waiting would only cost. A single caller is always all there is, and so never waits.
    """

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._callers = 1.0
        self._call_seconds = 0.0

    def hold_seconds(self, callers: int) -> float:
        """Return how long the oldest caller may be held while a lane is free; `callers` counts all that are here."""
        return 0.0 if callers >= int(self._callers) else self._wait_seconds

    def lane_seconds(self) -> float:
        """Return how long the oldest caller may wait for a lane before a call is started beside the others.

        About as long as a call lasts, so that batches fill up behind it, but little longer than the hold: a
        heavy model's server may well run two calls at once.
        """
        return min(max(_SLOW_CALL * self._call_seconds, self._wait_seconds), _LONGEST_WAITS * self._wait_seconds)

    def started(self, callers: int) -> None:
        """Learn from a call that goes out while this many callers are here: the peak at once, the ebb slowly."""
        self._callers = max(float(callers), self._callers + _FORGET * (callers - self._callers))

    def ended(self, seconds: float) -> None:
        """Learn how long a call lasted."""
        self._call_seconds += _FORGET * (seconds - self._call_seconds)
