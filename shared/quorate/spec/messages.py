"""Pydantic's findings as sentences that name the path, the value and what was expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from quorate.errors import shown

_SHOWN = 5


def explain(what: str, error: ValidationError, fields: Mapping[str, Sequence[str]] | None = None) -> str:
    """Say what does not validate; `fields` lists the known field names of each section, "" for the top."""
    found = error.errors(include_url=False)
    sentences = [_sentence(detail, fields or {}) for detail in found[:_SHOWN]]
    if len(found) > _SHOWN:
        sentences.append(f"and {len(found) - _SHOWN} more")
    return f"the {what} does not validate: " + "; ".join(sentences)


def path_of(location: Sequence[int | str]) -> str:
    """Write a location as a user would: `members[1].version`."""
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path if len(path) <= 80 else f"{path[:77]}..."


def _sentence(detail: ErrorDetails, fields: Mapping[str, Sequence[str]]) -> str:
    location = detail["loc"]
    path = path_of(location) or "it"
    if detail["type"] == "extra_forbidden":
        section = str(location[0]) if len(location) > 1 else ""
        return f"{path} is not a field; known here: {', '.join(fields.get(section, ()))}"
    if detail["type"] == "missing":
        return f"{path} is missing"
    if detail["type"] == "too_short":
        return f"{path} is empty; give at least {detail['ctx']['min_length']}"
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{path} is {shown(detail['input'])}: {message}"
