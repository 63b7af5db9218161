"""One view's member: judged out of fold, then trained on all training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray
from quorate.errors import InvalidInput, InvalidRows
from quorate.views import Preprocessor, fit_preprocessor
from services.tuner.dataset import Dataset, has_view, view_columns
from services.tuner.learner import Examples, Fraction, Learner, Model, Run
from services.tuner.objective import Objective
from services.tuner.progress import Shares

MIN_VIEW_ROWS = 20


@dataclass(frozen=True)
class CrossFit:
    """A learner's out-of-fold outputs [training rows, outputs], their score (lower is better), its stopping rounds."""

    learner: Learner
    outputs: FloatArray
    score: float
    rounds: int


@dataclass(frozen=True)
class ViewModel:
    """A view's chosen model, trained on every training row that has the view, and how it did out of fold."""

    view: str
    columns: tuple[str, ...]
    learner: str
    model: Model
    preprocessor: Preprocessor
    out_of_fold: FloatArray
    present: BoolArray
    """Which training rows have the view."""
    rounds: int


@dataclass(frozen=True)
class ViewData:
    """What a view's learners are given. `rows` are the table's rows that have the view, `folds` their folds."""

    dataset: Dataset
    view: str
    columns: tuple[str, ...]
    rows: NDArray[np.intp]
    folds: NDArray[np.intp]

    def prepare(self, learner: Learner, rows: NDArray[np.intp]) -> tuple[Preprocessor, Examples]:
        """Fit the view's preprocessor on these rows alone, and transform them."""
        columns = view_columns(self.dataset.columns, self.columns, rows)
        try:
            preprocessor = fit_preprocessor(self.view, columns, learner.preprocessing)
            return preprocessor, Examples(preprocessor.transform(columns), self.dataset.targets[rows])
        except InvalidRows as error:
            raise InvalidRows({int(rows[index]): reason for index, reason in error.reasons.items()}) from error

    def transform(self, preprocessor: Preprocessor, rows: NDArray[np.intp]) -> Examples:
        """Transform rows that the preprocessor was not fitted on."""
        columns = view_columns(self.dataset.columns, self.columns, rows)
        try:
            return Examples(preprocessor.transform(columns), self.dataset.targets[rows])
        except InvalidRows as error:
            raise InvalidRows({int(rows[index]): reason for index, reason in error.reasons.items()}) from error


def view_data(dataset: Dataset, view: str) -> ViewData:
    """The training rows that have the view; InvalidInput where they are too few to learn from."""
    columns = dataset.roles.views[view]
    there = has_view(view_columns(dataset.columns, columns, dataset.train), columns)
    if there.sum() < MIN_VIEW_ROWS:
        raise InvalidInput(
            f"only {int(there.sum())} of {len(there)} training rows have the view {view!r} ({', '.join(columns)}); "
            f"give at least {MIN_VIEW_ROWS}, or ignore the column"
        )
    return ViewData(dataset, view, columns, dataset.train[there], dataset.folds[there])


@dataclass(frozen=True)
class Bench:
    """What every training run of a fit shares: the objective, the seed, the cores, and who is told how far it is."""

    objective: Objective
    seed: int
    cores: Executor
    shares: Shares


@dataclass(frozen=True)
class Fold:
    """One fold's answers by a model that was trained on the others. `held` marks its rows among the view's."""

    held: BoolArray
    outputs: FloatArray
    rounds: int


def start_cross_fit(bench: Bench, data: ViewData, learner: Learner, weight: float) -> Callable[[], CrossFit]:
    """Start a run a fold, each stopping by its fold's own score; what this returns waits for their outcome."""
    numbers = np.unique(data.folds)
    runs = []
    for i, fold in enumerate(numbers):
        step = f"training {data.view} ({learner.name}), fold {i + 1} of {len(numbers)}"
        report = bench.shares.job(step, weight / len(numbers))
        runs.append(bench.cores.submit(_fit_fold, bench, data, learner, data.folds == fold, report))
    return lambda: _cross_fit(bench, data, learner, [run.result() for run in runs])


def start_refit(bench: Bench, data: ViewData, best: CrossFit, weight: float) -> Callable[[], ViewModel]:
    """Start training on all of the view's rows, for as many rounds as the folds took at the median."""
    report = bench.shares.job(f"training {data.view} ({best.learner.name}) on all rows", weight)
    run = bench.cores.submit(_refit, bench, data, best, report)
    return run.result


def _fit_fold(bench: Bench, data: ViewData, learner: Learner, held: BoolArray, report: Fraction) -> Fold:
    report(0.0)
    preprocessor, train = data.prepare(learner, data.rows[~held])
    held_out = data.transform(preprocessor, data.rows[held])
    model = learner.fit(Run(train, held_out, None, bench.seed, report), bench.objective)
    report(1.0)
    return Fold(held, model.predict(held_out.feed), model.rounds)


def _cross_fit(bench: Bench, data: ViewData, learner: Learner, folds: Sequence[Fold]) -> CrossFit:
    outputs = np.zeros((len(data.rows), bench.objective.outputs))
    for fold in folds:
        outputs[fold.held] = fold.outputs
    score = bench.objective.score(outputs, data.dataset.targets[data.rows])
    return CrossFit(learner, outputs, score, int(np.median([fold.rounds for fold in folds])))


def _refit(bench: Bench, data: ViewData, best: CrossFit, report: Fraction) -> ViewModel:
    report(0.0)
    preprocessor, train = data.prepare(best.learner, data.rows)
    model = best.learner.fit(Run(train, None, best.rounds, bench.seed, report), bench.objective)
    present = np.isin(data.dataset.train, data.rows)
    outputs = np.zeros((len(present), bench.objective.outputs))
    outputs[present] = best.outputs
    return ViewModel(data.view, data.columns, best.learner.name, model, preprocessor, outputs, present, best.rounds)
