"""The expected quality of a quorum is looked up by who answered."""

from __future__ import annotations

import numpy as np
import pytest

from quorate.ensemble import Quality
from quorate.quality import average, expected_quality_of, proportion

KNOWN = {"11": Quality("accuracy", 0.9, 0.88, 0.92, 500), "10": Quality("accuracy", 0.7, 0.6, 0.8, 400)}


def test_a_batch_with_one_pattern_has_that_pattern_s_quality() -> None:
    assert expected_quality_of(KNOWN, np.array([[True, True], [False, False]])) == KNOWN["10"]


def test_a_batch_with_several_patterns_has_the_mean_over_its_rows() -> None:
    found = expected_quality_of(KNOWN, np.array([[True] * 4, [True, False, True, True]]))
    assert found is not None
    assert (found.metric, found.rows) == ("accuracy", 400)
    np.testing.assert_allclose([found.value, found.low, found.high], [0.85, 0.81, 0.89])


@pytest.mark.parametrize(
    "present", [[[False], [True]], [[True, True], [True, False], [False, False]], [[False], [False]], [[], []]]
)
def test_nothing_is_promised_for_a_pattern_that_was_not_measured(present: list[list[bool]]) -> None:
    assert expected_quality_of({"11": KNOWN["11"]}, np.array(present, dtype=bool)) is None


def test_an_ensemble_without_measured_quality_promises_none() -> None:
    assert expected_quality_of({}, np.array([[True], [True]])) is None


def test_the_interval_of_a_proportion_is_wilson_s() -> None:
    found = proportion("accuracy", 8, 10)
    np.testing.assert_allclose([found.value, found.low, found.high], [0.8, 0.490162, 0.943318], atol=1e-6)


def test_the_interval_of_a_proportion_stays_inside_zero_and_one() -> None:
    assert proportion("accuracy", 30, 30).high == 1.0
    assert proportion("accuracy", 0, 30).low == 0.0


def test_the_interval_of_a_mean_covers_it_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(0)
    intervals = [average("mean_absolute_error", rng.normal(3, 2, 200)) for _ in range(500)]
    covered = sum(found.low <= 3 <= found.high for found in intervals)
    assert 460 <= covered <= 490
