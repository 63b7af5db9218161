"""The kinds of combiners by name, and how one is built from an ensemble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from quorate.combiners.base import Combiner
from quorate.ensemble import Ensemble, Task
from quorate.errors import InvalidSpec, shown


@dataclass(frozen=True)
class Panel:
    """Whose outputs are merged: the members' names and views in order, their task and number of classes."""

    members: tuple[str, ...]
    views: tuple[tuple[str, ...], ...]
    task: Task
    classes: int


Builder = Callable[[Panel, Mapping[str, Any]], Combiner]
"""Validates a kind's parameters (InvalidSpec names value and expectation) and returns the combiner."""


@dataclass(frozen=True)
class Kind:
    """One way to combine: its name, the tasks it merges, and how it is built."""

    name: str
    tasks: tuple[Task, ...]
    build: Builder


_KINDS: dict[str, Kind] = {}


def combiner_kind(name: str, *tasks: Task) -> Callable[[Builder], Builder]:
    """Register the decorated builder as the kind `name`, for ensembles of these tasks."""

    def register(build: Builder) -> Builder:
        _KINDS[name] = Kind(name, tasks, build)
        return build

    return register


def kinds(task: Task | None = None) -> tuple[str, ...]:
    """Name every registered kind, or those that merge this task."""
    return tuple(sorted(kind.name for kind in _KINDS.values() if task is None or task in kind.tasks))


def panel_of(ensemble: Ensemble) -> Panel:
    """Describe an ensemble's members to its combiner; a regression has one class, its value."""
    members = ensemble.members
    classes = len(ensemble.labels) or 1
    return Panel(tuple(m.name for m in members), tuple(m.views for m in members), ensemble.task, classes)


def build_combiner(ensemble: Ensemble) -> Combiner:
    """Build the ensemble's combiner; InvalidSpec for an unknown kind, task or parameter."""
    return build_kind(ensemble.combiner.kind, ensemble.combiner.parameters, panel_of(ensemble))


def build_kind(kind: str, parameters: Mapping[str, Any], panel: Panel) -> Combiner:
    """Build a combiner for the panel; `build_combiner` for who has no ensemble yet, as fitting does."""
    known = _KINDS.get(kind)
    if known is None:
        raise InvalidSpec(f"combiner.kind is {shown(kind)}; the kinds are {', '.join(kinds())}")
    if panel.task not in known.tasks:
        usable = ", ".join(kinds(panel.task)) or "no kind"
        raise InvalidSpec(f"combiner.kind is {kind!r}, which does not merge a {panel.task}; {usable} does")
    return known.build(panel, parameters)
