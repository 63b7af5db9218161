"""Every learner learns, stops early, repeats itself, and exports the same function to ONNX."""

from collections.abc import Callable

import numpy as np
import pytest

from quorate.ensemble import Task
from quorate.serving.backends.onnx import OnnxBackend
from services.tuner.learner import Examples, Feed, Learner, Run, feed_rows
from services.tuner.models import BoostingLearner, ImageLearner, TabularNetworkLearner, TextLearner
from services.tuner.objective import Objective, objective_of

ROWS, TRAIN = 120, 80
Case = tuple[Learner, Callable[[np.ndarray, np.random.Generator], Feed]]


def tokens(kinds: np.ndarray, random: np.random.Generator) -> Feed:
    lengths = random.integers(4, 12, len(kinds))
    rows = random.integers(10, 40, (len(kinds), 12))
    rows[:, 0], rows[:, 2] = kinds + 1, kinds + 4
    rows[np.arange(12) >= lengths[:, None]] = 0
    return {"tokens": rows}


def pixels(kinds: np.ndarray, random: np.random.Generator) -> Feed:
    pictures = random.normal(0, 0.5, (len(kinds), 1, 9, 9)).astype(np.float32)
    for row, kind in enumerate(kinds):
        pictures[row, :, kind * 3 : kind * 3 + 3] += 1
    return {"pixels": pictures}


def features(kinds: np.ndarray, random: np.random.Generator) -> Feed:
    numbers = random.normal(0, 0.5, (len(kinds), 4)).astype(np.float32)
    numbers[np.arange(len(kinds)), kinds] += 2
    return {"features": numbers}


def gappy_features(kinds: np.ndarray, random: np.random.Generator) -> Feed:
    numbers = features(kinds, random)["features"]
    numbers[random.random(numbers.shape) < 0.1] = np.nan
    return {"features": numbers}


CASES: dict[str, Case] = {
    "text": (TextLearner(4, 16, 64), tokens),
    "image": (ImageLearner(5, 48, True), pixels),
    "boosting": (BoostingLearner(40), gappy_features),
    "tabular_network": (TabularNetworkLearner(12), features),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def examples(case: Case) -> Examples:
    random = np.random.default_rng(0)
    kinds = random.permutation(np.arange(ROWS) % 3)
    return Examples(case[1](kinds, random), kinds)


def part(given: Examples, rows: slice) -> Examples:
    return Examples(feed_rows(given.feed, rows), given.targets[rows])


def run_of(given: Examples, rounds: int | None = None, seed: int = 0) -> Run:
    held_out = part(given, slice(TRAIN, None)) if rounds is None else None
    return Run(part(given, slice(0, TRAIN)), held_out, rounds, seed, lambda _: None)


CLASSES = Objective(Task.CLASSIFICATION, 3)


def test_learner_beats_chance_on_rows_held_out(case: Case):
    given = examples(case)
    model = case[0].fit(run_of(given), CLASSES)
    held_out = part(given, slice(TRAIN, None))
    assert CLASSES.score(model.predict(held_out.feed), held_out.targets) < 0.75 * np.log(3)


def test_probabilities_sum_to_one(case: Case):
    given = examples(case)
    answers = case[0].fit(run_of(given, rounds=2), CLASSES).predict(given.feed)
    assert answers.shape == (ROWS, 3)
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def test_one_seed_gives_one_model(case: Case):
    given = examples(case)
    first, again = (case[0].fit(run_of(given, rounds=2), CLASSES).predict(given.feed) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_without_held_out_rows_exactly_the_given_rounds_are_trained(case: Case):
    assert case[0].fit(run_of(examples(case), rounds=3), CLASSES).rounds == 3


def test_onnx_file_answers_as_its_source_for_one_row_and_for_many(case: Case):
    given = examples(case)
    model = case[0].fit(run_of(given, rounds=3), CLASSES)
    backend = OnnxBackend(model.to_onnx())
    assert [output.name for output in backend.outputs] == ["probabilities"]
    for feed in (given.feed, feed_rows(given.feed, slice(0, 1))):
        [answers] = backend.run(feed, ["probabilities"])
        np.testing.assert_allclose(answers, model.predict(feed), atol=1e-5)


def test_regression_learns_and_exports_values(case: Case):
    given = examples(case)
    values = Examples(given.feed, 50.0 + 10.0 * given.targets)
    objective = objective_of(Task.REGRESSION, (), values.targets[:TRAIN])
    model = case[0].fit(run_of(values), objective)
    held_out = part(values, slice(TRAIN, None))
    assert objective.score(model.predict(held_out.feed), held_out.targets) < held_out.targets.var()
    [answers] = OnnxBackend(model.to_onnx()).run(given.feed, ["value"])
    np.testing.assert_allclose(answers, model.predict(given.feed)[:, 0], rtol=1e-4)


def test_two_classes_give_two_probabilities(case: Case):
    given = examples(case)
    model = case[0].fit(run_of(Examples(given.feed, given.targets % 2), rounds=2), Objective(Task.CLASSIFICATION, 2))
    [answers] = OnnxBackend(model.to_onnx()).run(given.feed, ["probabilities"])
    np.testing.assert_allclose(answers, model.predict(given.feed), atol=1e-5)


def test_trees_branch_the_same_way_at_values_next_to_their_thresholds():
    random = np.random.default_rng(3)
    numbers = np.nextafter(np.float32(0.1), random.choice([-1, 1], (400, 3)).astype(np.float32), dtype=np.float32)
    kinds = (numbers[:, 0] > np.float32(0.1)).astype(np.int64)
    given = Examples({"features": numbers}, kinds)
    model = BoostingLearner(20).fit(Run(given, None, 20, 0, lambda _: None), Objective(Task.CLASSIFICATION, 2))
    [answers] = OnnxBackend(model.to_onnx()).run(given.feed, ["probabilities"])
    np.testing.assert_allclose(answers, model.predict(given.feed), atol=1e-6)
