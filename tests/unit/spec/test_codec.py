"""Ensembles and members survive the way through JSON text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.ensemble import Combiner, Ensemble, InputBinding, Member, OutputBinding, Policy, Quality, Task
from quorate.errors import InvalidSpec
from quorate.spec import ensemble_from_json, ensemble_to_json, member_from_json, member_to_json

NAMES = st.text(min_size=1, max_size=8)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
BINDINGS = st.builds(
    InputBinding, NAMES, st.sampled_from(["FP32", "BYTES"]), st.lists(NAMES, max_size=3).map(tuple), NAMES
)
MEMBERS = st.builds(
    Member,
    name=NAMES,
    version=st.integers(1, 9),
    views=st.lists(NAMES, max_size=2).map(tuple),
    task=st.sampled_from(Task),
    labels=st.lists(NAMES, max_size=4).map(tuple),
    inputs=st.lists(BINDINGS, max_size=2).map(tuple),
    output=st.builds(OutputBinding, NAMES, NAMES),
    model=NAMES,
    model_version=NAMES,
)


@st.composite
def ensembles(draw: st.DrawFn) -> Ensemble:
    members = draw(st.lists(MEMBERS, min_size=1, max_size=3, unique_by=lambda member: member.name))
    names = [member.name for member in members]
    policy = Policy(
        deadline_seconds=draw(st.floats(0.001, 3600)),
        min_members=draw(st.integers(1, len(members))),
        min_weight=draw(st.floats(0, 1)),
        weights=draw(st.dictionaries(st.sampled_from(names), FINITE)),
        required=tuple(draw(st.lists(st.sampled_from(names), unique=True))),
    )
    return Ensemble(
        name=draw(NAMES),
        version=draw(st.integers(0, 9)),
        task=draw(st.sampled_from(Task)),
        labels=members[0].labels,
        members=tuple(members),
        combiner=Combiner(draw(NAMES), draw(st.dictionaries(st.text(max_size=3), JSON, max_size=3))),
        policy=policy,
        quality=draw(st.dictionaries(NAMES, st.builds(Quality, NAMES, FINITE, FINITE, FINITE, st.integers(1, 99)))),
    )


@given(MEMBERS)
def test_a_member_comes_back_equal_from_json_text(member: Member) -> None:
    assert member_from_json(json.loads(json.dumps(member_to_json(member)))) == member


@given(ensembles())
def test_an_ensemble_comes_back_equal_from_json_text(ensemble: Ensemble) -> None:
    assert ensemble_from_json(json.loads(json.dumps(ensemble_to_json(ensemble)))) == ensemble


def test_json_that_is_no_member_is_refused_by_the_name_of_its_fields() -> None:
    with pytest.raises(InvalidSpec, match=r"version is 'newest'.*views is missing"):
        member_from_json({"name": "a", "version": "newest", "task": "regression", "labels": [], "inputs": []})


def test_json_of_an_impossible_ensemble_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="has no members"):
        ensemble_from_json({"name": "a", "version": 1, "task": "regression", "labels": [], "members": []})
