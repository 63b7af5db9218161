"""A specification becomes an ensemble of registered members, or says why it cannot."""

from __future__ import annotations

import pytest

from quorate.ensemble import InputBinding, Member, Task
from quorate.errors import InvalidSpec, NotFound
from quorate.spec import build_ensemble, parse_spec


def member(
    name: str, version: int = 1, labels: tuple[str, ...] = ("cat", "dog"), task: Task = Task.CLASSIFICATION
) -> Member:
    return Member(name, version, ("text",), task, labels, (InputBinding("text", "BYTES", ("text",)),))


def test_a_member_without_a_version_is_taken_in_its_newest() -> None:
    registered = {"a": [member("a", 3), member("a", 11), member("a", 2)], "b": [member("b", 1), member("b", 2)]}
    ensemble = build_ensemble(parse_spec("{name: e, members: [a, {name: b, version: 1}]}"), registered)
    assert [(m.name, m.version) for m in ensemble.members] == [("a", 11), ("b", 1)]
    assert (ensemble.version, ensemble.labels, ensemble.combiner.kind) == (0, ("cat", "dog"), "soft_vote")


def test_a_regression_takes_the_mean_unless_told_otherwise() -> None:
    registered = {"a": [member("a", labels=(), task=Task.REGRESSION)]}
    assert build_ensemble(parse_spec("{name: e, members: [a]}"), registered).combiner.kind == "mean"


def test_a_member_that_is_not_registered_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFound, match="names member 'b', which is not registered; registered: a"):
        build_ensemble(parse_spec("{name: e, members: [a, b]}"), {"a": [member("a")]})


def test_a_version_that_is_not_registered_is_named_with_those_that_are() -> None:
    with pytest.raises(NotFound, match=r"'a' has no version 4; it has \[1, 2\]"):
        build_ensemble(
            parse_spec("{name: e, members: [{name: a, version: 4}]}"), {"a": [member("a", 2), member("a", 1)]}
        )


@pytest.mark.parametrize(
    ("spec", "other", "message"),
    [
        ("{name: e, members: [a, b]}", member("b", labels=("dog", "cat")), "'a' has .cat, dog. and 'b' has .dog, cat."),
        ("{name: e, members: [a, b]}", member("b", labels=("cat", "owl")), "different labels: 'a' has .cat, dog. and"),
        ("{name: e, members: [a, b]}", member("b", labels=(), task=Task.REGRESSION), "its member 'b' is a regression"),
        ("{name: e, members: [a, b], task: regression}", member("b"), "its member 'a' is a classification"),
        ("{name: e, members: [a, a]}", member("b"), "names a member twice"),
        ("{name: e, members: [a, b], policy: {required: [c]}}", member("b"), r"names \['c'\]; its members are"),
        ("{name: e, members: [a, b], combiner: {kind: vote}}", member("b"), "combiner.kind is 'vote'; the kinds are"),
        ("{name: e, members: [a], combiner: {kind: mean}}", member("b"), "'mean', which does not merge a classificat"),
        (
            "{name: e, members: [a, b], combiner: {kind: log_pool, parameters: {weights: {c: 1}}}}",
            member("b"),
            "combiner.parameters.weights names 'c'; the names are a, b",
        ),
        ("{name: e, members: [a, b], policy: {min_members: 3}}", member("b"), "min_members is 3, but 'e' has 2"),
    ],
)
def test_members_and_policy_that_do_not_fit_together_are_refused(spec: str, other: Member, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        build_ensemble(parse_spec(spec), {"a": [member("a")], "b": [other]})


def test_a_classification_without_labels_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="'a' states no labels"):
        build_ensemble(parse_spec("{name: e, members: [a]}"), {"a": [member("a", labels=())]})
