"""A user's specification is read strictly, and what is wrong with it is said by path and value."""

from __future__ import annotations

import pytest

from quorate.ensemble import Policy, Task
from quorate.errors import InvalidSpec
from quorate.spec import EnsembleSpec, MemberChoice, parse_spec

FULL = """
name: pets
task: classification
members:
  - pets-text
  - {name: pets-image, version: 2}
combiner:
  kind: log_pool
  parameters: {weights: {pets-text: 2}}
policy:
  deadline_seconds: 1
  min_members: 2
  min_weight: 0.5
  weights: {pets-image: 3}
  required: [pets-image]
"""


def test_every_field_of_a_specification_is_read() -> None:
    spec = parse_spec(FULL)
    assert spec.name == "pets"
    assert spec.task is Task.CLASSIFICATION
    assert spec.members == (MemberChoice(name="pets-text"), MemberChoice(name="pets-image", version=2))
    assert spec.combiner is not None
    assert spec.combiner.model_dump() == {"kind": "log_pool", "parameters": {"weights": {"pets-text": 2}}}
    assert spec.policy.policy() == Policy(1.0, 2, 0.5, {"pets-image": 3.0}, ("pets-image",))


def test_what_is_left_out_takes_the_defaults_of_the_domain() -> None:
    spec = parse_spec("{name: pets, members: [a]}")
    assert spec == EnsembleSpec(name="pets", members=(MemberChoice(name="a"),))
    assert spec.policy.policy() == Policy()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the specification is empty; give the fields name, members"),
        ("- a", "is a list, not a mapping"),
        ("name: [", "is no YAML"),
        ("name: a\nname: b\nmembers: [m]", "'name' stands twice"),
        ("--- {name: a, members: [m]}\n--- {}", "is no YAML"),
        ("members: [a]", "name is missing"),
        ("name: a", "members is missing"),
        ("{name: a, members: []}", "members is empty; give at least 1"),
        ("{name: a, members: m}", "members is 'm'"),
        ("{name: a, members: [3]}", r"members\[0\] is 3: give a member's name"),
        ("{name: a, members: [{name: m, version: 0}]}", r"members\[0\].version is 0: .*greater than or equal to 1"),
        ("{name: a, members: [{name: m, ver: 1}]}", r"members\[0\].ver is not a field; known here: name, version"),
        ("{name: a/b, members: [m]}", "name is 'a/b': .*match pattern"),
        ("{name: 2024-01-01, members: [m]}", "name is .*valid string"),
        ("{name: a, members: [m], combinor: x}", "combinor is not a field; known here: name, members, task, combiner"),
        ("{name: a, members: [m], task: sorting}", "task is 'sorting': .*'classification'"),
        ("{name: a, members: [m], combiner: {}}", "combiner.kind is missing"),
        ("{name: a, members: [m], policy: {deadline: 1}}", "policy.deadline is not a field; known here: deadline_seco"),
        ("{name: a, members: [m], policy: {min_members: two}}", "policy.min_members is 'two': .*valid integer"),
        ("{name: a, members: [m], policy: {weights: {m: -1}}}", "policy.weights.m is -1"),
        ("{name: a, members: [m], policy: {weights: {m: .nan}}}", "policy.weights.m is nan"),
        ("!!python/object:os.system {}", "is no YAML"),
        ("[" * 5000, "is no YAML|cannot be read"),
        ("name: " + "a" * (1 << 20), "at most 1048576 bytes"),
    ],
)
def test_a_bad_specification_is_refused_by_path_and_value(text: str, message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        parse_spec(text)


def test_a_specification_that_aliases_itself_into_gigabytes_is_refused_in_few_words() -> None:
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 12))
    with pytest.raises(InvalidSpec) as refused:
        parse_spec(f"l0: &l0 [x, x]\n{levels}\nname: *l11\nmembers: [m]")
    assert len(str(refused.value)) < 2000


def test_a_deadline_out_of_range_is_refused_when_the_policy_is_made() -> None:
    spec = parse_spec("{name: a, members: [m], policy: {deadline_seconds: .nan}}")
    with pytest.raises(InvalidSpec, match=r"policy\.deadline_seconds is nan"):
        spec.policy.policy()
