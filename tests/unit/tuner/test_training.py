import threading

import numpy as np
import pytest
import torch
from torch import nn

from quorate.ensemble import Task
from services.tuner.events import read_event
from services.tuner.learner import Examples, Run
from services.tuner.models import TabularNetworkLearner
from services.tuner.objective import Objective
from services.tuner.progress import Shares, Stopped, part_of
from services.tuner.training import Schedule, predict, train

OBJECTIVE = Objective(Task.CLASSIFICATION, 2)


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, features):  # type: ignore[no-untyped-def]
        return self.layer(features)


def blobs(rows: int, seed: int) -> Examples:
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 2, rows)
    return Examples({"features": (random.normal(0, 2, (rows, 2)) + kinds[:, None]).astype(np.float32)}, kinds)


def trained(run: Run) -> tuple[int, np.ndarray]:
    torch.manual_seed(0)
    network = Linear()
    epoch = train(network, run, OBJECTIVE, Schedule(12, 16, 0.5, patience=4))
    return epoch, predict(network, OBJECTIVE, run.train.feed)


def test_restored_weights_are_those_of_a_run_of_just_so_many_epochs():
    given, held_out = blobs(60, 0), blobs(60, 1)
    epoch, restored = trained(Run(given, held_out, None, 0, lambda _: None))
    same, alone = trained(Run(given, None, epoch, 0, lambda _: None))
    assert same == epoch
    np.testing.assert_array_equal(restored, alone)


def test_training_stops_once_the_held_out_score_no_longer_improves():
    fractions: list[float] = []
    noise = Examples({"features": blobs(40, 0).feed["features"]}, np.random.default_rng(9).integers(0, 2, 40))
    opposite = Examples(noise.feed, 1 - noise.targets)
    epoch = train(
        Linear(), Run(noise, opposite, None, 0, fractions.append), OBJECTIVE, Schedule(50, 8, 0.1, patience=3)
    )
    assert len(fractions) == epoch + 3 < 50


def test_runs_side_by_side_give_what_they_give_alone():
    given = blobs(80, 0)
    answers: dict[int, np.ndarray] = {}

    def fit(seed: int) -> None:
        model = TabularNetworkLearner(4).fit(Run(given, None, 4, seed, lambda _: None), OBJECTIVE)
        answers[seed] = model.predict(given.feed)

    threads = [threading.Thread(target=fit, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = dict(answers)
    for seed in range(4):
        fit(seed)
        np.testing.assert_array_equal(answers[seed], together[seed])


def test_shares_of_jobs_add_up_and_never_pass_one():
    told: list[tuple[str, float]] = []
    shares = Shares(part_of(lambda step, done: told.append((step, done)), 0.5, 1.0), 4.0)
    first, second = shares.job("one", 1.0), shares.job("two", 3.0)
    first(1.0)
    second(0.5)
    second(1.0)
    assert told == [("one", 0.625), ("two", 0.8125), ("two", 1.0)]


def test_a_stopped_job_ends_at_its_next_report():
    shares = Shares(lambda _step, _done: None, 1.0)
    report = shares.job("one", 1.0)
    shares.stop()
    with pytest.raises(Stopped):
        report(0.5)


def test_lines_that_libraries_print_are_no_events():
    assert read_event("[LightGBM] [Info] hello") == {} == read_event("3")
    assert read_event('{"step": "x", "progress": 0.5}') == {"step": "x", "progress": 0.5}
