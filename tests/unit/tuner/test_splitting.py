import numpy as np
import pytest

from quorate.ensemble import Task
from quorate.errors import InvalidInput
from services.tuner.splitting import fold_of, split_rows, strata_of

LABELS = ("a", "b", "c")
TARGETS = np.repeat([0, 1, 2], [60, 30, 10])


def test_test_part_holds_every_class_by_its_share():
    _, test = split_rows(strata_of(Task.CLASSIFICATION, TARGETS, LABELS), 0.2, seed=0)
    assert np.bincount(TARGETS[test]).tolist() == [12, 6, 2]


def test_no_row_is_in_both_parts_and_none_is_lost():
    train, test = split_rows(strata_of(Task.CLASSIFICATION, TARGETS, LABELS), 0.2, seed=0)
    assert sorted([*train, *test]) == list(range(100))


def test_each_fold_holds_every_class_and_folds_differ_by_few_rows():
    folds = fold_of(strata_of(Task.CLASSIFICATION, TARGETS, LABELS), 3, seed=0)
    counts = np.array([np.bincount(TARGETS[folds == fold], minlength=3) for fold in range(3)])
    assert np.ptp(counts, axis=0).max() <= 1


def test_one_seed_gives_one_split_and_another_seed_another():
    strata = strata_of(Task.CLASSIFICATION, TARGETS, LABELS)
    first, again, other = (split_rows(strata, 0.2, seed)[1].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_a_regression_is_stratified_by_its_targets_size():
    targets = np.random.default_rng(0).lognormal(size=200)
    _, test = split_rows(strata_of(Task.REGRESSION, targets, ()), 0.2, seed=0)
    assert np.isclose(np.median(targets[test]), np.median(targets), rtol=0.15)


def test_a_class_of_too_few_rows_is_named():
    with pytest.raises(InvalidInput, match=r"too few rows of 'c' \(2\)"):
        strata_of(Task.CLASSIFICATION, np.repeat([0, 1, 2], [50, 50, 2]), LABELS)


def test_too_small_a_table_is_refused():
    with pytest.raises(InvalidInput, match="12 rows; a fit needs at least 30"):
        strata_of(Task.CLASSIFICATION, np.repeat([0, 1, 2], 4), LABELS)
