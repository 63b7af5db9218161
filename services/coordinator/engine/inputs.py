"""Which tensors an ensemble takes, and which members they can be put to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from quorate.ensemble import Ensemble, InputBinding, Member

PRESENT = ".present"
"""`<view>.present` BOOL [N] says row by row whether the view is there."""


@dataclass(frozen=True)
class InputTensor:
    """One tensor of an ensemble: its view, and the datatype that its members read it in."""

    name: str
    view: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class MemberInputs:
    """What one member needs of a request: its views (by position in the ensemble's) and its columns."""

    member: Member
    views: tuple[int, ...]
    columns: tuple[str, ...]
    imputed: Mapping[str, str]
    """Columns that may be left out, and the datatype of the missing value that then stands in for them."""


def input_tensors(ensemble: Ensemble) -> dict[str, InputTensor]:
    """Return the ensemble's tensors by name, in the members' order."""
    tensors: dict[str, InputTensor] = {}
    for member in ensemble.members:
        for binding in member.inputs:
            for column in binding.columns:
                if column not in tensors:
                    view = view_of(member, column)
                    tensors[column] = InputTensor(column, view, _datatype(binding, view), _shape(binding, view))
    return tensors


def member_inputs(ensemble: Ensemble) -> tuple[MemberInputs, ...]:
    """Return what each member needs, in the ensemble's order."""
    views = ensemble.views
    return tuple(
        MemberInputs(
            member,
            tuple(views.index(view) for view in member.views),
            member.columns,
            {b.columns[0]: b.datatype for b in member.inputs if _may_be_left_out(b, view_of(member, b.columns[0]))},
        )
        for member in ensemble.members
    )


def view_of(member: Member, column: str) -> str:
    """Return the view that a column belongs to: the one of its name, else the member's table."""
    if len(member.views) == 1 or column in member.views:
        return column if column in member.views else member.views[0]
    return "tabular" if "tabular" in member.views else member.views[-1]


def _may_be_left_out(binding: InputBinding, view: str) -> bool:
    """Whether a missing value can say that the column is not there: a stacked matrix or an integer cannot."""
    return view == "tabular" and binding.layout == "column" and binding.datatype in ("BYTES", "FP32", "FP64")


def _datatype(binding: InputBinding, view: str) -> str:
    return "BYTES" if view == "text" else binding.datatype


def _shape(binding: InputBinding, view: str) -> tuple[int, ...]:
    is_list = binding.layout == "matrix" or binding.datatype == "BYTES" or view in ("text", "tabular")
    return (-1,) if is_list else (-1, -1)
