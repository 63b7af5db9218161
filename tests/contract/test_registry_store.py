"""The registry and the evaluations, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from quorate.db.database import Database
from quorate.db.evaluations import EvaluationStore, MetricValue
from quorate.db.registry import RegistryStore
from quorate.ensemble import Combiner, Ensemble, InputBinding, Member, Policy, Quality, Task
from quorate.errors import AlreadyExists, InvalidInput, NotFound

LABELS = ("cat", "dog")


def a_member(name: str = "pets-text", version: int = 1) -> Member:
    binding = InputBinding("text", "BYTES", ("text",))
    return Member(
        name, version, ("text",), Task.CLASSIFICATION, LABELS, (binding,), model=name, model_version=str(version)
    )


def an_ensemble(*members: Member) -> Ensemble:
    return Ensemble(
        "pets",
        0,
        Task.CLASSIFICATION,
        LABELS,
        members,
        Combiner("log_pool", {"patterns": {"1": {"weights": [0.1, 1e-17]}}}),
        Policy(weights={members[0].name: 2.0}),
        {"1": Quality("accuracy", 0.9, 0.85, 0.95, 1000)},
    )


@pytest.fixture
def registry(database: Database) -> RegistryStore:
    return RegistryStore(database)


def test_a_member_comes_back_as_it_was(registry: RegistryStore) -> None:
    registry.add_member(
        a_member(), source="artifact", artifact_url="file:///m", artifact_digest="sha256:1", metrics={"accuracy": 0.9}
    )
    (found,) = registry.members()
    assert found.member == a_member()
    assert (found.source, found.artifact_url, found.artifact_digest) == ("artifact", "file:///m", "sha256:1")
    assert found.metrics == {"accuracy": 0.9}


def test_a_metric_that_is_not_defined_is_kept_as_none(registry: RegistryStore) -> None:
    registry.add_member(a_member(), source="artifact", metrics={"roc_auc": float("nan"), "deep": [{"x": float("inf")}]})
    assert registry.members()[0].metrics == {"roc_auc": None, "deep": [{"x": None}]}


def test_a_version_is_registered_once(registry: RegistryStore) -> None:
    registry.add_member(a_member(), source="artifact")
    with pytest.raises(AlreadyExists, match="'pets-text' has a version 1"):
        registry.add_member(a_member(), source="artifact")
    assert registry.next_member_version("pets-text") == 2
    assert registry.next_member_version("new") == 1


def test_writers_that_ask_for_the_next_version_each_get_their_own(registry: RegistryStore) -> None:
    with ThreadPoolExecutor(16) as pool:
        added = list(pool.map(lambda _: registry.add_member(a_member(version=0), source="artifact").version, range(16)))
    assert sorted(added) == list(range(1, 17))
    assert registry.revision() == 16


def test_every_change_moves_the_revision_and_a_refused_one_does_not(registry: RegistryStore) -> None:
    member = registry.add_member(a_member(), source="artifact")
    registry.add_endpoint("pets-text", "127.0.0.1:1", "user")
    registry.remove_endpoint("pets-text", "127.0.0.1:1")
    registry.replace_endpoints("pets-text", ["127.0.0.1:2"], "supervisor")
    registry.add_ensemble(an_ensemble(member), {})
    registry.set_alias("pets", "canary", 1)
    assert registry.revision() == 6
    with pytest.raises(AlreadyExists):
        registry.add_member(a_member(), source="artifact")
    assert registry.revision() == 6


def test_a_writer_replaces_its_own_endpoints_alone(registry: RegistryStore) -> None:
    registry.add_endpoint("a", "h:1", "user")
    registry.replace_endpoints("a", ["h:2", "h:3"], "supervisor")
    registry.replace_endpoints("a", ["h:3", "h:1"], "supervisor")
    registry.replace_endpoints("b", ["h:4"], "supervisor")
    assert registry.endpoints() == {"a": ("h:1", "h:3"), "b": ("h:4",)}
    before = registry.revision()
    registry.replace_endpoints("a", ["h:3", "h:1"], "supervisor")
    assert registry.revision() == before
    registry.replace_endpoints("a", [], "supervisor")
    registry.replace_endpoints("b", [], "supervisor")
    assert registry.endpoints() == {"a": ("h:1",)}


def test_an_endpoint_said_twice_is_kept_once_and_an_unknown_one_is_not_found(registry: RegistryStore) -> None:
    registry.add_endpoint("a", "h:1", "user")
    registry.add_endpoint("a", "h:1", "settings")
    assert registry.endpoints() == {"a": ("h:1",)}
    with pytest.raises(NotFound, match="h:9"):
        registry.remove_endpoint("a", "h:9")


def test_an_ensemble_comes_back_as_it_was_with_its_version(registry: RegistryStore) -> None:
    member = registry.add_member(a_member(), source="artifact")
    added = registry.add_ensemble(an_ensemble(member), {"dataset": "sha256:2", "roles": {"text": "notes"}})
    assert added.version == 1
    (found,) = registry.ensembles()
    assert found.ensemble == added
    assert found.lineage == {"dataset": "sha256:2", "roles": {"text": "notes"}}


def test_the_first_version_is_live_and_later_ones_are_not(registry: RegistryStore) -> None:
    member = registry.add_member(a_member(), source="artifact")
    assert [registry.add_ensemble(an_ensemble(member), {}).version for _ in range(3)] == [1, 2, 3]
    assert registry.get_ensemble("pets").ensemble.version == 1
    assert registry.get_ensemble("pets", "").ensemble.version == 1
    registry.set_alias("pets", "live", 3)
    registry.set_alias("pets", "canary", 2)
    assert registry.get_ensemble("pets", "live").ensemble.version == 3
    assert registry.get_ensemble("pets", "canary").ensemble.version == 2
    assert registry.get_ensemble("pets", "1").ensemble.version == registry.get_ensemble("pets", 1).ensemble.version == 1
    assert [found.aliases for found in registry.ensembles()] == [(), ("canary",), ("live",)]


def test_what_is_not_there_is_not_found_by_name(registry: RegistryStore) -> None:
    member = registry.add_member(a_member(), source="artifact")
    with pytest.raises(NotFound, match="pets"):
        registry.get_ensemble("pets")
    with pytest.raises(NotFound, match="'pets-text' version 7"):
        registry.add_ensemble(an_ensemble(a_member(version=7)), {})
    registry.add_ensemble(an_ensemble(member), {})
    with pytest.raises(NotFound, match="'beta'; there are 1, live"):
        registry.get_ensemble("pets", "beta")
    with pytest.raises(NotFound, match="'9'"):
        registry.set_alias("pets", "live", 9)
    with pytest.raises(InvalidInput, match="'12'"):
        registry.set_alias("pets", "12", 1)


def test_an_evaluation_comes_back_with_its_intervals(database: Database) -> None:
    store = EvaluationStore(database)
    metrics = {"accuracy": (0.9, 0.85, 0.95), "log_loss": 0.3, "roc_auc": float("nan")}
    first = store.add("ensemble", "pets", 1, "sha256:3", "test", 360, metrics)
    store.add("ensemble", "pets", 2, "sha256:3", "test", 360, {})
    store.add("member", "pets", 1, "sha256:3", "test", 360, {"accuracy": 0.5})
    (found,) = store.find("ensemble", "pets", 1)
    assert (found.id, found.rows, found.part, found.dataset_hash) == (first, 360, "test", "sha256:3")
    assert found.metrics == {"accuracy": MetricValue(0.9, 0.85, 0.95), "log_loss": MetricValue(0.3)}
    assert [one.version for one in store.find("ensemble", "pets")] == [1, 2]
