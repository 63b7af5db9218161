"""Checks of what stands in a combiner's parameters; each failure names the value and the expectation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.errors import InvalidSpec, shown

Vector = NDArray[np.float64]
_AT = "combiner.parameters"


def refuse_unknown(parameters: Mapping[str, Any], kind: str, *known: str) -> None:
    """Raise InvalidSpec where a parameter is given that the kind does not have."""
    if unknown := sorted(str(name) for name in set(parameters) - set(known)):
        takes = f"takes {', '.join(known)}" if known else "takes no parameters"
        raise InvalidSpec(f"{_AT}.{unknown[0][:80]} is not a parameter; {kind} {takes}")


def weights_of(parameters: Mapping[str, Any], names: Sequence[str]) -> Vector:
    """Read `weights`: a mapping by name (1 where not named) or a list in order; all 1 where not given."""
    given = parameters.get("weights", {})
    if isinstance(given, Mapping):
        if unknown := [name for name in given if name not in names]:
            raise InvalidSpec(f"{_AT}.weights names {shown(unknown[0])}; the names are {', '.join(names)}")
        given = [given.get(name, 1.0) for name in names]
    weights = numbers(f"{_AT}.weights", given, len(names))
    if not (weights > 0).all():
        raise InvalidSpec(f"{_AT}.weights has {weights.min():g}; every weight is above 0")
    return weights


def patterns_of(parameters: Mapping[str, Any], length: int) -> dict[str, Mapping[str, Any]]:
    """Read `patterns`: what was fitted, by presence pattern of this length."""
    given = parameters.get("patterns", {})
    if not isinstance(given, Mapping):
        raise InvalidSpec(f"{_AT}.patterns is {shown(given)}; give a mapping from presence patterns")
    for pattern, fitted in given.items():
        if not isinstance(pattern, str) or len(pattern) != length or set(pattern) - set("01") or "1" not in pattern:
            raise InvalidSpec(
                f"{_AT}.patterns has {shown(pattern)}; a pattern is a text of {length} characters 0 and 1, with a 1"
            )
        if not isinstance(fitted, Mapping) or set(fitted) - {"weights", "bias"} or "weights" not in fitted:
            raise InvalidSpec(f"{_AT}.patterns[{pattern!r}] is {shown(fitted)}; give weights and, optionally, bias")
    return dict(given)


def pool_of(pattern: str, fitted: Mapping[str, Any], classes: int) -> tuple[Vector, Vector | None]:
    """Read one pattern's weights (0 or more, one for each that is present) and its bias, one a class."""
    at = f"{_AT}.patterns[{pattern!r}]"
    weights = numbers(f"{at}.weights", fitted["weights"], pattern.count("1"))
    if (weights < 0).any():
        raise InvalidSpec(f"{at}.weights has {weights.min():g}; every weight is 0 or more")
    bias = fitted.get("bias")
    return weights, None if bias is None else numbers(f"{at}.bias", bias, classes)


def numbers(at: str, given: Any, count: int) -> Vector:
    """Read exactly `count` finite numbers."""
    sequence = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    if not sequence or len(given) != count or not all(map(isinstance, given, repeat(int | float))):
        raise InvalidSpec(f"{at} is {shown(given)}; give {count} numbers")
    values = np.array(given, dtype=np.float64)
    if not np.isfinite(values).all():
        raise InvalidSpec(f"{at} is {shown(given)}; give finite numbers")
    return values
