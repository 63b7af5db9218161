"""What a doorbell that was heard wakes, in the process that heard it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Bells:
    """What a doorbell calls, inside the loop."""

    requests: Callable[[], None]
    jobs: Callable[[], None]
