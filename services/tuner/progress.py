"""How far a fit is: a step in words and a fraction of the whole."""

from __future__ import annotations

import threading
from collections.abc import Callable

from services.tuner.learner import Fraction

Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of the fit is done, 0 to 1; may raise to end the fit."""


def part_of(progress: Progress, start: float, end: float) -> Progress:
    """A progress whose 0 to 1 is `start` to `end` of the whole."""
    return lambda step, fraction: progress(step, start + (end - start) * fraction)


def step_of(progress: Progress, step: str, start: float, end: float) -> Fraction:
    """The fraction of one step, as part of the whole."""
    return lambda fraction: progress(step, start + (end - start) * fraction)


class Stopped(Exception):
    """Another job of the same fit has failed, so this one need not go on."""


class Shares:
    """The progress of many jobs as one. Jobs report from any thread; what has been stopped raises Stopped in them."""

    def __init__(self, progress: Progress, weights: float) -> None:
        self._progress, self._weights = progress, weights
        self._lock = threading.Lock()
        self._done: list[float] = []
        self._stopped = False

    def job(self, step: str, weight: float) -> Fraction:
        """Progress of one job, which is `weight` of all the weights."""
        with self._lock:
            index = len(self._done)
            self._done.append(0.0)

        def report(fraction: float) -> None:
            with self._lock:
                if self._stopped:
                    raise Stopped
                self._done[index] = weight * fraction
                self._progress(step, min(1.0, sum(self._done) / self._weights))

        return report

    def stop(self) -> None:
        """End every job at its next report."""
        self._stopped = True
