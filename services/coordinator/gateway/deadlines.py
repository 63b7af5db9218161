"""How much time a caller has left."""

from __future__ import annotations

from typing import Any

from quorate.errors import InvalidInput


def remaining_seconds(context: Any, timeout_microseconds: int | None = None) -> float | None:
    """Return the sooner of the call's own deadline and the timeout it names; None where there is neither."""
    remaining: float | None = context.time_remaining()
    if timeout_microseconds is None:
        return remaining
    if timeout_microseconds < 0:
        raise InvalidInput(f"parameter timeout is {timeout_microseconds}; give microseconds, or 0 for none")
    if timeout_microseconds == 0:
        return remaining
    named = timeout_microseconds / 1e6
    return named if remaining is None else min(named, remaining)
