"""The catalog and who keeps it current; and the quality that an answer states."""

from __future__ import annotations

import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from quorate.ensemble import Ensemble, Quality, Task
from quorate.errors import InvalidInput, NotFound, Unavailable
from quorate.quality import expected_quality_of
from services.coordinator.engine import Catalog, CatalogWatcher, read_catalog
from services.coordinator.engine.answer import wanted_outputs
from services.coordinator.engine.pacing import Pace
from tests.support.members import LABELS, text_member

FIRST = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, (text_member(),))
SECOND = replace(FIRST, version=2)


class Registry:
    """A registry in memory, with the part of the store's face that a catalog reads."""

    def __init__(self) -> None:
        self.number = 1
        self.reads = 0
        self.down = False
        self.registered = [SimpleNamespace(ensemble=FIRST, aliases=("live",))]

    def revision(self) -> int:
        if self.down:
            raise Unavailable("no database")
        return self.number

    def ensembles(self) -> tuple[Any, ...]:
        self.reads += 1
        return tuple(self.registered)

    def members(self) -> tuple[Any, ...]:
        return ()

    def endpoints(self) -> dict[str, tuple[str, ...]]:
        return {"reader": ("127.0.0.1:1",)}


def both() -> Catalog:
    registry = Registry()
    registry.registered.append(SimpleNamespace(ensemble=SECOND, aliases=("canary",)))
    return read_catalog(registry)  # type: ignore[arg-type]


def test_an_ensemble_is_found_by_number_by_alias_and_by_nothing_at_all() -> None:
    catalog = both()
    assert catalog.resolve("pets") is FIRST
    assert catalog.resolve("pets", "live") is FIRST
    assert catalog.resolve("pets", "2") is SECOND
    assert catalog.resolve("pets", "canary") is SECOND
    assert catalog.aliases_of(SECOND) == ("canary",)
    assert catalog.ensembles() == (FIRST, SECOND)
    assert catalog.endpoints("reader") == ("127.0.0.1:1",)
    assert catalog.endpoints("nobody") == ()


@pytest.mark.parametrize(("name", "version"), [("birds", ""), ("pets", "3"), ("pets", "old")])
def test_what_is_not_there_is_refused_with_what_is(name: str, version: str) -> None:
    with pytest.raises(NotFound, match="pets"):
        both().resolve(name, version)


def test_the_watcher_reads_again_only_when_the_revision_has_moved() -> None:
    registry = Registry()
    watcher = CatalogWatcher(registry)  # type: ignore[arg-type]
    seen: list[int] = []
    watcher.subscribe(lambda catalog: seen.append(catalog.revision))
    assert not watcher.ready
    watcher.refresh()
    watcher.refresh()
    assert registry.reads == 1
    registry.number = 5
    watcher.refresh()
    assert registry.reads == 2
    assert seen == [1, 5]
    watcher.subscribe(lambda catalog: seen.append(-catalog.revision))
    assert seen == [1, 5, -5]


def test_the_watchers_thread_outlives_a_database_that_is_away() -> None:
    registry = Registry()
    registry.down = True
    watcher = CatalogWatcher(registry, poll_seconds=0.001)  # type: ignore[arg-type]
    arrived = threading.Event()
    watcher.subscribe(lambda _: arrived.set())
    watcher.start()
    try:
        assert not watcher.wait_ready(0.02)
        registry.down = False
        assert watcher.wait_ready(10)
        assert arrived.wait(10)
        assert watcher.catalog.resolve("pets") is FIRST
    finally:
        watcher.stop()


def test_quality_is_that_of_each_rows_own_pattern() -> None:
    quality = {"11": Quality("accuracy", 0.9, 0.8, 1.0, 40), "10": Quality("accuracy", 0.5, 0.4, 0.6, 30)}
    both_rows = np.array([[True, True], [True, True]])
    assert expected_quality_of(quality, both_rows) == quality["11"]
    mixed = expected_quality_of(quality, np.array([[True, True], [True, False]]))
    assert mixed is not None
    assert (mixed.value, mixed.low, mixed.high, mixed.rows) == pytest.approx((0.7, 0.6, 0.8, 30))
    assert expected_quality_of(quality, np.array([[False, True], [True, True]])) is None
    assert expected_quality_of({}, both_rows) is None


def test_outputs_are_named_for_the_task_and_members_on_request() -> None:
    assert wanted_outputs(Task.CLASSIFICATION, (), ("a",)) == ("probabilities", "label")
    assert wanted_outputs(Task.REGRESSION, (), ("a",)) == ("value",)
    assert wanted_outputs(Task.MULTILABEL, ("members.*", "members.a"), ("a", "b")) == ("members.a", "members.b")
    for unknown in ("value", "members.c", ""):
        with pytest.raises(InvalidInput, match="the outputs are"):
            wanted_outputs(Task.CLASSIFICATION, (unknown,), ("a", "b"))


def test_a_single_caller_never_waits_and_a_crowd_is_forgotten_in_a_few_calls() -> None:
    pace = Pace(0.002)
    for _ in range(50):
        pace.started(1)
        assert pace.hold_seconds(1) == 0
    pace.started(2)
    assert pace.hold_seconds(1) == 0.002
    assert pace.hold_seconds(2) == 0
    pace.started(1)
    assert pace.hold_seconds(1) == 0
    pace.started(32)
    assert pace.hold_seconds(20) == 0.002


def test_a_lane_is_waited_for_about_as_long_as_calls_last_within_bounds() -> None:
    pace = Pace(0.002)
    assert pace.lane_seconds() == 0.002
    for _ in range(100):
        pace.ended(0.003)
    assert pace.lane_seconds() == pytest.approx(0.0045, rel=0.01)
    for _ in range(100):
        pace.ended(5.0)
    assert pace.lane_seconds() == 0.01
    assert Pace(0.0).lane_seconds() == 0.0
