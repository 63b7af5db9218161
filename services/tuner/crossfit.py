"""One view's member: judged out of fold, then trained on all training rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray
from quorate.errors import InvalidInput, InvalidRows
from quorate.views import Preprocessor, fit_preprocessor
from services.tuner.dataset import Dataset, has_view, view_columns
from services.tuner.learner import Examples, Learner, Model, Run
from services.tuner.objective import Objective
from services.tuner.progress import Progress, part_of, step_of

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


def fit_view(
    data: ViewData, learners: Sequence[Learner], objective: Objective, seed: int, threads: int, progress: Progress
) -> ViewModel:
    """Cross-fit every learner, keep the one with the best out-of-fold score, train it on all rows."""
    share = 0.8 / len(learners)
    judged = [
        cross_fit(data, learner, objective, seed, threads, part_of(progress, i * share, (i + 1) * share))
        for i, learner in enumerate(learners)
    ]
    best = min(judged, key=lambda one: one.score)
    report = step_of(progress, f"training {data.view} on all rows", 0.8, 1.0)
    preprocessor, train = data.prepare(best.learner, data.rows)
    model = best.learner.fit(Run(train, None, best.rounds, seed, threads, report), objective)
    present = np.isin(data.dataset.train, data.rows)
    outputs = np.zeros((len(present), objective.outputs))
    outputs[present] = best.outputs
    return ViewModel(data.view, data.columns, best.learner.name, model, preprocessor, outputs, present, best.rounds)


def cross_fit(
    data: ViewData, learner: Learner, objective: Objective, seed: int, threads: int, progress: Progress
) -> CrossFit:
    """Train once a fold on the others, stopping by the fold's own score, and answer for the fold."""
    numbers = np.unique(data.folds)
    outputs = np.zeros((len(data.rows), objective.outputs))
    rounds = []
    for i, fold in enumerate(numbers):
        held = data.folds == fold
        step = f"training {data.view} ({learner.name}), fold {i + 1} of {len(numbers)}"
        report = step_of(progress, step, i / len(numbers), (i + 1) / len(numbers))
        report(0.0)
        preprocessor, train = data.prepare(learner, data.rows[~held])
        held_out = data.transform(preprocessor, data.rows[held])
        model = learner.fit(Run(train, held_out, None, seed, threads, report), objective)
        outputs[held] = model.predict(held_out.feed)
        rounds.append(model.rounds)
    score = objective.score(outputs, data.dataset.targets[data.rows])
    return CrossFit(learner, outputs, score, int(np.median(rounds)))
