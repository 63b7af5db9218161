"""From a user's specification and the registered members to an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quorate.combiners import build_combiner
from quorate.ensemble import Combiner, Ensemble, Member, Task
from quorate.errors import InvalidSpec, NotFound
from quorate.spec.schema import EnsembleSpec, MemberChoice

_DEFAULT_COMBINERS = {Task.CLASSIFICATION: "soft_vote", Task.MULTILABEL: "soft_vote", Task.REGRESSION: "mean"}


def build_ensemble(spec: EnsembleSpec, members: Mapping[str, Sequence[Member]]) -> Ensemble:
    """Resolve the specification against every registered version of each member, by name.

    The ensemble has version 0 (the registry numbers it), and the labels in its first member's order.
    Raises NotFound for an unknown member or version, InvalidSpec where members disagree on task or labels,
    or the combiner's kind or parameters do not fit.
    """
    chosen = tuple(_resolve(spec.name, choice, members) for choice in spec.members)
    task = spec.task or chosen[0].task
    labels = chosen[0].labels
    for member in chosen:
        _check_task(spec.name, task, member)
        _check_labels(chosen[0], member)
    if task in (Task.CLASSIFICATION, Task.MULTILABEL) and not labels:
        raise InvalidSpec(f"member {chosen[0].name!r} states no labels; a {task} needs them")
    ensemble = Ensemble(spec.name, 0, task, labels, chosen, _combiner(spec, task), spec.policy.policy())
    build_combiner(ensemble)  # Refuses parameters that do not fit, before anything is registered.
    return ensemble


def _resolve(ensemble: str, choice: MemberChoice, members: Mapping[str, Sequence[Member]]) -> Member:
    versions = {member.version: member for member in members.get(choice.name, ())}
    if not versions:
        known = ", ".join(sorted(members)) or "none"
        raise NotFound(
            f"ensemble {ensemble!r} names member {choice.name!r}, which is not registered; registered: {known}. "
            "Add it by `quorate members add`"
        )
    version = choice.version or max(versions)
    if version not in versions:
        raise NotFound(f"member {choice.name!r} has no version {version}; it has {sorted(versions)}")
    return versions[version]


def _check_task(ensemble: str, task: Task, member: Member) -> None:
    if member.task != task:
        raise InvalidSpec(f"ensemble {ensemble!r} is a {task}, but its member {member.name!r} is a {member.task}")


def _check_labels(first: Member, member: Member) -> None:
    if member.labels == first.labels:
        return
    both = f"{first.name!r} has {_shown(first.labels)} and {member.name!r} has {_shown(member.labels)}"
    if set(member.labels) == set(first.labels):
        raise InvalidSpec(f"members order their labels differently: {both}; register both with one order")
    raise InvalidSpec(f"members decide between different labels: {both}; members of one ensemble share theirs")


def _shown(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 10} more" if len(labels) > 10 else ""
    return f"[{', '.join(labels[:10])}{more}]"


def _combiner(spec: EnsembleSpec, task: Task) -> Combiner:
    if spec.combiner is not None:
        return Combiner(spec.combiner.kind, dict(spec.combiner.parameters))
    return Combiner(_DEFAULT_COMBINERS.get(task, "soft_vote"))
