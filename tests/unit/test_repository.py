"""Versions of a member come and go while calls are served."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from quorate.errors import InvalidInput, NotFound, Unavailable
from quorate.serving.repository import Repository, State


@dataclass(frozen=True)
class Source:
    number: int
    fails: type[Exception] | None = None


def load(source: Source) -> str:
    if source.fails:
        raise source.fails("because")
    return f"model {source.number}"


def repository(*sources: Source) -> Repository[Source, str]:
    made: Repository[Source, str] = Repository("pets", load)
    made.offer(sources)
    return made


def test_an_empty_version_is_the_newest_loaded_one() -> None:
    versions = repository(Source(1), Source(2), Source(3, fails=InvalidInput))
    assert not versions.load_wanted()
    assert versions.get("pets", "") == "model 2"
    assert versions.get("pets", "1") == "model 1"
    versions.unload(2)
    assert versions.get("pets", "") == "model 1"


def test_unknown_names_and_versions_are_not_found() -> None:
    versions = repository(Source(1))
    versions.load_wanted()
    for name, version in (("cats", ""), ("pets", "2"), ("pets", "01"), ("pets", "one")):
        with pytest.raises(NotFound):
            versions.get(name, version)
        with pytest.raises(NotFound):
            versions.is_ready(name, version)


def test_a_member_without_a_version_is_known_and_not_ready() -> None:
    versions = repository()
    with pytest.raises(Unavailable, match="no version yet"):
        versions.get("pets", "")
    assert not versions.is_ready("pets", "")


def test_a_version_that_failed_for_good_waits_for_a_request_and_says_why() -> None:
    versions = repository(Source(1, fails=InvalidInput))
    assert not versions.load_wanted()
    (entry,) = versions.entries
    assert (entry.state, entry.reason, entry.wanted) == (State.UNAVAILABLE, "because", False)
    with pytest.raises(Unavailable, match="because"):
        versions.get("pets", "1")
    with pytest.raises(InvalidInput):
        versions.load(1)


def test_a_version_whose_store_is_away_is_tried_again() -> None:
    versions = repository(Source(1, fails=Unavailable))
    assert versions.load_wanted()
    versions.offer([Source(1)])
    assert not versions.load_wanted()
    assert versions.ready


def test_an_unloaded_version_stays_away_until_it_is_loaded_again() -> None:
    versions = repository(Source(1))
    versions.load_wanted()
    versions.unload(1)
    versions.offer([Source(1)])
    versions.load_wanted()
    with pytest.raises(Unavailable, match="unloaded"):
        versions.get("pets", "1")
    versions.load(1)
    assert versions.get("pets", "1") == "model 1"


def test_a_version_that_is_registered_no_more_is_dropped() -> None:
    versions = repository(Source(1), Source(2))
    versions.load_wanted()
    versions.offer([Source(1)])
    assert versions.get("pets", "") == "model 1"
    with pytest.raises(NotFound):
        versions.get("pets", "2")


def test_every_change_is_told() -> None:
    told: list[bool] = []
    versions: Repository[Source, str] = Repository("pets", load)
    versions.changed = lambda: told.append(versions.ready)
    versions.offer([Source(1)])
    versions.load_wanted()
    versions.unload(1)
    assert told == [False, False, True, False]
