"""JSON columns that every SQL server takes: PostgreSQL refuses NaN, which Python would write."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from quorate.errors import InvalidInput


def dumps(value: Any) -> str:
    """Write JSON; InvalidInput where a number is NaN or infinite, on every server alike."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError as error:
        raise InvalidInput(f"a value to be kept as JSON is not finite ({error}); keep null in its place") from error


def nan_as_null(value: Any) -> Any:
    """The same value with None for each NaN or infinity: a metric that is not defined on its data."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: nan_as_null(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_as_null(item) for item in value]
    return value
