"""Members and ensembles to JSON objects and back, without loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from quorate.ensemble import Ensemble, Member
from quorate.errors import InvalidSpec
from quorate.spec.messages import explain

_MEMBER = TypeAdapter(Member)
_ENSEMBLE = TypeAdapter(Ensemble)
_T = TypeVar("_T")


def member_to_json(member: Member) -> dict[str, Any]:
    """Write the member as a JSON object; `member_from_json` gives an equal member back."""
    return _object(_MEMBER, member)


def member_from_json(data: Mapping[str, Any]) -> Member:
    """Read a member from the JSON object that `member_to_json` wrote; InvalidSpec names what does not fit."""
    return _value(_MEMBER, "member", data)


def ensemble_to_json(ensemble: Ensemble) -> dict[str, Any]:
    """Write the ensemble, its members, combiner and quality included, as a JSON object."""
    return _object(_ENSEMBLE, ensemble)


def ensemble_from_json(data: Mapping[str, Any]) -> Ensemble:
    """Read an ensemble from the JSON object that `ensemble_to_json` wrote; InvalidSpec names what does not fit."""
    return _value(_ENSEMBLE, "ensemble", data)


def _object(adapter: TypeAdapter[_T], value: _T) -> dict[str, Any]:
    result: dict[str, Any] = adapter.dump_python(value, mode="json")
    return result


def _value(adapter: TypeAdapter[_T], what: str, data: Mapping[str, Any]) -> _T:
    try:
        return adapter.validate_python(dict(data))
    except ValidationError as error:
        raise InvalidSpec(explain(what, error)) from error
