"""Fits, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from quorate.db.database import Database
from quorate.db.fits import FitStore, NewFit
from quorate.errors import InvalidInput, NotFound
from tests.support.servers import wait_until

LONG, OVER = 60.0, 0.0


@pytest.fixture
def store(database: Database) -> FitStore:
    return FitStore(database)


def a_fit(name: str = "pets", **options: object) -> NewFit:
    return NewFit("table", name, "file:///rows.parquet", options)


def test_a_fit_is_claimed_followed_and_finished(store: FitStore) -> None:
    created = store.create(a_fit(label="species"))
    assert (created.state, created.options, created.progress) == ("queued", {"label": "species"}, 0.0)
    claimed = store.claim(LONG)
    assert claimed is not None
    assert (claimed.id, claimed.token, claimed.state) == (created.id, 1, "running")
    assert store.heartbeat(claimed.id, 1, "training text", 0.25, LONG)
    followed = store.get(claimed.id)
    assert (followed.step, followed.progress) == ("training text", 0.25)
    assert store.finish(claimed.id, 1, {"ensemble": "pets", "roc_auc": float("nan")})
    ended = store.get(claimed.id)
    assert (ended.state, ended.progress, ended.ended) == ("done", 1.0, True)
    assert ended.result == {"ensemble": "pets", "roc_auc": None}
    assert store.claim(LONG) is None


def test_a_claim_that_was_taken_over_changes_nothing(store: FitStore) -> None:
    fit = store.create(a_fit())
    assert store.claim(OVER) is not None
    again = store.claim(LONG)
    assert again is not None
    assert (again.id, again.token, again.attempts) == (fit.id, 2, 2)
    assert not store.heartbeat(fit.id, 1, "zombie", 0.9, LONG)
    assert not store.finish(fit.id, 1, {})
    assert not store.fail(fit.id, 1, "zombie")
    assert not store.release(fit.id, 1)
    assert (store.get(fit.id).state, store.get(fit.id).step) == ("running", "")
    assert store.fail(fit.id, 2, "one class only")
    assert (store.get(fit.id).state, store.get(fit.id).error) == ("failed", "one class only")
    assert not store.finish(fit.id, 2, {})


def test_a_fit_that_does_not_move_loses_its_lease(store: FitStore) -> None:
    fit = store.create(a_fit())
    store.claim(OVER)
    assert store.heartbeat(fit.id, 1, "training", 0.5, OVER)
    assert store.heartbeat(fit.id, 1, "training", 0.5, LONG, stall_seconds=0)
    assert store.due() == 1
    assert store.heartbeat(fit.id, 1, "training", 0.5, LONG, stall_seconds=600)
    assert store.due() == 0
    assert store.heartbeat(fit.id, 1, "training", 0.6, OVER)
    assert store.heartbeat(fit.id, 1, "training", 0.7, LONG, stall_seconds=0)
    assert store.due() == 0


def test_a_released_fit_comes_back_after_its_delay(store: FitStore) -> None:
    fit = store.create(a_fit())
    store.claim(LONG)
    assert store.release(fit.id, 1, "no memory", delay_seconds=0.3)
    assert store.claim(LONG) is None
    again = wait_until(lambda: store.claim(LONG), describe="the delay is over")
    assert again.token == 2
    assert store.get(fit.id).error == "no memory"


def test_fits_are_listed_newest_first_and_claimed_oldest_first(store: FitStore) -> None:
    first, second = store.create(a_fit("first")), store.create(a_fit("second"))
    urgent = store.create(NewFit("ensemble", "urgent", "file:///rows", priority=1))
    assert [fit.name for fit in store.list()] == ["urgent", "second", "first"]
    claimed = [store.claim(LONG) for _ in range(3)]
    assert [fit.id for fit in claimed if fit] == [urgent.id, first.id, second.id]


def test_bad_values_and_unknown_ids_are_refused_by_name(store: FitStore) -> None:
    with pytest.raises(NotFound, match="nothing"):
        store.get("nothing")
    with pytest.raises(InvalidInput, match="finite"):
        store.create(a_fit(test_share=float("nan")))
    assert store.list() == ()
