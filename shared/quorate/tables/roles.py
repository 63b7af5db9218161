"""What each column of a table is for, as it is shown to the user, stored with the ensemble and used by jobs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from quorate.ensemble import Member
from quorate.errors import InvalidSpec

LABEL, IGNORED = "label", "ignored"
WHOLE_VIEWS = ("text", "image")
"""Roles that are views of one column each, which goes on the wire by the view's name."""
TABULAR = ("numeric", "categorical")
ROLES = (LABEL, *WHOLE_VIEWS, *TABULAR, IGNORED)


@dataclass(frozen=True)
class ColumnRole:
    """One column: its role, its name on the wire (empty: not sent), and why it has that role."""

    column: str
    role: str
    name: str = ""
    reason: str = ""

    @property
    def view(self) -> str:
        """The view that reads the column; empty for the label and for what is ignored."""
        return "tabular" if self.role in TABULAR else self.role if self.role not in (LABEL, IGNORED) else ""


@dataclass(frozen=True)
class Roles:
    """The roles of a table's columns, in the table's order."""

    columns: tuple[ColumnRole, ...]

    @property
    def label(self) -> str:
        """The column to predict; empty for a table that is only scored."""
        return next((entry.column for entry in self.columns if entry.role == LABEL), "")

    @property
    def used(self) -> tuple[ColumnRole, ...]:
        """The columns that some view reads."""
        return tuple(entry for entry in self.columns if entry.view)

    @property
    def views(self) -> dict[str, tuple[str, ...]]:
        """Each view's columns, by their names on the wire, views in alphabetical order."""
        views = sorted({entry.view for entry in self.used})
        return {view: tuple(entry.name for entry in self.used if entry.view == view) for view in views}

    @property
    def wire_names(self) -> dict[str, str]:
        """The name on the wire of each column that is sent, by its name in the table."""
        return {entry.column: entry.name for entry in self.used}

    def rows(self) -> list[tuple[str, str, str]]:
        """Column, role and reason of each, to be shown as a table."""
        return [(entry.column, entry.role, entry.reason) for entry in self.columns]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for SQL and for results."""
        return {"columns": [asdict(entry) for entry in self.columns]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Roles:
        """Rebuild from `to_json`; InvalidSpec where that is not what it is."""
        try:
            return cls(tuple(ColumnRole(**entry) for entry in value["columns"]))
        except (KeyError, TypeError) as error:
            raise InvalidSpec(f"these are no roles of columns: {error!r}") from error


def role_of(column: str, role: str, reason: str) -> ColumnRole:
    """A column in its role, with the name it has on the wire."""
    name = role if role in WHOLE_VIEWS else column if role in TABULAR else ""
    return ColumnRole(column, role, name, reason)


def roles_of_members(members: Iterable[Member]) -> Roles:
    """The columns that an ensemble's members read, for ensembles that were not fitted on a table of ours."""
    found: dict[str, str] = {}
    for member in members:
        for binding in member.inputs:
            kind = "categorical" if binding.datatype == "BYTES" else "numeric"
            found |= {name: name if name in WHOLE_VIEWS else kind for name in binding.columns}
    return Roles(tuple(role_of(column, role, "a member reads it") for column, role in found.items()))
