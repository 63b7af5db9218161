"""Stops asking a replica that cannot be reached, and lets one call through now and then to see whether it is back."""

from __future__ import annotations

import time
from collections.abc import Callable

THRESHOLD = 3
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 8.0


class CircuitBreaker:
    """Opens after consecutive failures to connect; each failed probe doubles the pause before the next.

    Belongs to one event loop. Every `begin` is followed by exactly one of `succeeded`, `failed`, `abandoned`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._probe_at = 0.0
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether the replica counts as gone."""
        return self._failures >= THRESHOLD

    @property
    def allows(self) -> bool:
        """Whether a call may go out now: the circuit is closed, or a probe is due and none is under way."""
        return not self.is_open or (not self._probing and self._clock() >= self._probe_at)

    def begin(self) -> None:
        """Note that a call goes out; with the circuit open it is the probe."""
        self._probing = self.is_open

    def succeeded(self) -> None:
        """Close the circuit: the replica answered, be it with an error of its own."""
        self._failures = 0
        self._probing = False
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def failed(self) -> None:
        """Count a failure to connect; the threshold opens the circuit, and a failed probe keeps it open for longer."""
        was_open = self.is_open
        self._failures += 1
        if not self.is_open:
            return
        if was_open and self._probing:
            self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
        if not was_open or self._probing:
            self._probe_at = self._clock() + self._pause_seconds
        self._probing = False

    def abandoned(self) -> None:
        """Note a call that ended without saying anything of the connection."""
        self._probing = False
