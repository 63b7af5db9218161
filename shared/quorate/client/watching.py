"""How long a watcher bears with a gateway that has gone away."""

from __future__ import annotations

import time
from typing import TypeVar

from quorate.client.listings import FitProgress, JobProgress
from quorate.errors import TryAgain

T = TypeVar("T", JobProgress, FitProgress)

PATIENCE_SECONDS = 120.0


class Patience:
    """Counts the time since the platform was last heard of; the work itself goes on without its watcher."""

    def __init__(self) -> None:
        self._last_heard = time.monotonic()
        self._pauses = 0

    def heard(self) -> None:
        self._last_heard = time.monotonic()
        self._pauses = 0

    def check(self, error: TryAgain) -> None:
        """Raise the error again once nothing was heard for too long."""
        if time.monotonic() - self._last_heard > PATIENCE_SECONDS:
            raise error

    def pause_seconds(self) -> float:
        """Return how long to wait before the next look: longer each time, up to 2 s."""
        self._pauses += 1
        return min(2.0, 0.1 * 2.0 ** min(self._pauses - 1, 10))
