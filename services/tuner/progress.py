"""How far a fit is: a step in words and a fraction of the whole."""

from __future__ import annotations

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
