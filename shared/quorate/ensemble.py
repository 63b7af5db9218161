"""The words of the domain as frozen values: Ensemble, Member, Policy, Combiner, Answer. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.errors import InvalidSpec

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
Columns = dict[str, NDArray[Any]]
"""Inputs by name, each with the batch as its first axis: `text`, `image`, a table's columns."""


class Task(StrEnum):
    """What an ensemble decides."""

    CLASSIFICATION = "classification"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    GENERATION = "generation"


@dataclass(frozen=True)
class InputBinding:
    """One tensor of a member's OIP server, and the item's columns that fill it.

    `layout` is `column` (one column as it is, shape [N, ...]) or `matrix` (numeric columns stacked, [N, F]).
    """

    tensor: str
    datatype: str
    columns: tuple[str, ...]
    layout: str = "column"


@dataclass(frozen=True)
class OutputBinding:
    """The tensor a member answers in, and what stands in it.

    `kind`: `probabilities` [N, C], `logits` [N, C], `label` [N] (BYTES, one of the labels),
    `index` [N] (an integer, position in the labels) or `value` [N] (regression).
    """

    tensor: str = "probabilities"
    kind: str = "probabilities"


@dataclass(frozen=True)
class Member:
    """One model under one name, in one version, and how any OIP server of it is asked."""

    name: str
    version: int
    views: tuple[str, ...]
    task: Task
    labels: tuple[str, ...]
    inputs: tuple[InputBinding, ...]
    output: OutputBinding = field(default_factory=OutputBinding)
    model: str = ""
    """The OIP model name on its server; the member's own name where the worker is ours."""
    model_version: str = ""
    """The OIP model version asked for; empty leaves the choice to a foreign server."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the member reads, in the order of its tensors."""
        return tuple(column for binding in self.inputs for column in binding.columns)


@dataclass(frozen=True)
class Combiner:
    """Which combiner merges the members' outputs, and its fitted or given parameters as JSON."""

    kind: str = "soft_vote"
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Policy:
    """When an answer is due, and who must be in it."""

    deadline_seconds: float = 2.0
    min_members: int = 1
    min_weight: float = 0.0
    """Least sum of the answering members' `weights`, as a share of all members' sum (0 to 1)."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """A member's weight in the quorum; 1 where it is not named."""
    required: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < self.deadline_seconds <= 3600:
            raise InvalidSpec(f"policy.deadline_seconds is {self.deadline_seconds}; give seconds above 0, up to 3600")
        if self.min_members < 1:
            raise InvalidSpec(f"policy.min_members is {self.min_members}; an answer needs at least 1 member")
        if not 0 <= self.min_weight <= 1:
            raise InvalidSpec(f"policy.min_weight is {self.min_weight}; give a share from 0 to 1")


@dataclass(frozen=True)
class Quality:
    """What a set of members reaches together, by cross-fitting, with its 95% interval."""

    metric: str
    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class Ensemble:
    """Members, combiner, policy and task: immutable once registered as a version."""

    name: str
    version: int
    task: Task
    labels: tuple[str, ...]
    members: tuple[Member, ...]
    combiner: Combiner = field(default_factory=Combiner)
    policy: Policy = field(default_factory=Policy)
    quality: Mapping[str, Quality] = field(default_factory=dict)
    """By presence pattern, one character a member in order: "101" is all but the second."""

    def __post_init__(self) -> None:
        names = [member.name for member in self.members]
        if not names:
            raise InvalidSpec(f"ensemble {self.name!r} has no members; name at least one")
        if len(set(names)) != len(names):
            raise InvalidSpec(f"ensemble {self.name!r} names a member twice: {names}; name each once")
        if unknown := {*self.policy.required, *self.policy.weights} - set(names):
            raise InvalidSpec(f"the policy of {self.name!r} names {sorted(unknown)}; its members are {names}")
        if self.policy.min_members > len(names):
            raise InvalidSpec(
                f"policy.min_members is {self.policy.min_members}, but {self.name!r} has {len(names)} members"
            )

    @property
    def views(self) -> tuple[str, ...]:
        """Every view that some member looks at, in the members' order."""
        return tuple(dict.fromkeys(view for member in self.members for view in member.views))


class Status(StrEnum):
    """What became of one member in one answer."""

    ANSWERED = "answered"
    MISSING_VIEW = "missing_view"
    LATE = "late"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class MemberReport:
    """One member's part in an answer."""

    member: str
    version: int
    status: Status
    reason: str = ""
    latency_seconds: float = 0.0
    rows_asked: int = 0
    rows_answered: int = 0
    error: str = ""
    """The class of the error that a failed member ended with (`Unavailable`, `MemberError`), for who tries again."""


@dataclass(frozen=True)
class Answer:
    """The merged output, who is in it, and what that quorum is expected to reach.

    `outputs` holds `probabilities` [N, C] and `label` [N] (classification) or `value` [N] (regression),
    and `members.<name>` [N, C] where asked for; `present` [members, N] says who answered for which row.
    """

    ensemble: str
    version: int
    labels: tuple[str, ...]
    outputs: Mapping[str, NDArray[Any]]
    members: tuple[MemberReport, ...]
    present: BoolArray
    expected_quality: Quality | None = None

    @property
    def degraded(self) -> bool:
        """Whether a member that had its view is not in the answer."""
        return any(report.status in (Status.LATE, Status.FAILED) for report in self.members)
