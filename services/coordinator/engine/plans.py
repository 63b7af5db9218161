"""What can be worked out of an ensemble once a version instead of once a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.combiners import build_combiner
from quorate.combiners.base import Combiner
from quorate.ensemble import Ensemble, Task
from quorate.errors import InvalidInput
from services.coordinator.engine.batching import Coalescer
from services.coordinator.engine.inputs import InputTensor, MemberInputs, input_tensors, member_inputs
from services.coordinator.engine.layouts import Layout
from services.coordinator.engine.quorum import Quorum, quorum_of
from services.coordinator.engine.raw import TensorSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """An ensemble version, ready to be asked."""

    ensemble: Ensemble
    views: tuple[str, ...]
    members: tuple[str, ...]
    tensors: dict[str, InputTensor]
    inputs: tuple[MemberInputs, ...]
    coalescers: tuple[Coalescer, ...]
    quorum: Quorum
    combiner: Combiner
    width: int
    labels: NDArray[Any]
    """[C] BYTES cells."""
    layouts: dict[tuple[TensorSpec, ...], Layout | None] = field(default_factory=dict)
    """By the header of requests seen; None where they cannot be passed on as they are."""


def plan_of(ensemble: Ensemble, coalescers: tuple[Coalescer, ...]) -> Plan:
    """Work out the plan; `coalescers` are the members' queues, in their order."""
    if ensemble.task is Task.GENERATION:
        raise InvalidInput(f"{ensemble.name!r} generates text, which this engine does not merge")
    labels = np.empty(len(ensemble.labels), dtype=object)
    labels[:] = [label.encode() for label in ensemble.labels]
    return Plan(
        ensemble,
        ensemble.views,
        tuple(member.name for member in ensemble.members),
        input_tensors(ensemble),
        member_inputs(ensemble),
        coalescers,
        quorum_of(ensemble),
        build_combiner(ensemble),
        1 if ensemble.task is Task.REGRESSION else len(ensemble.labels),
        labels,
    )
