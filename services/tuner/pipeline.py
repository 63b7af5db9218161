"""From a table to a registered ensemble: one member a view, judged out of fold, reported on an untouched part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from quorate.ensemble import Ensemble, Member, Task
from quorate.fitting import expected_quality, fit_combiner
from quorate.fitting.options import FitOptions
from services.tuner.crossfit import Bench, ViewData, ViewModel, start_cross_fit, start_refit, view_data
from services.tuner.dataset import Dataset, load_dataset
from services.tuner.evaluation import Outputs, Scores, ensemble_scores, member_scores, out_of_fold, test_outputs
from services.tuner.exporting import artifact_of, export_view
from services.tuner.kept import KeptFiles, keep_files
from services.tuner.models import learners_of
from services.tuner.objective import objective_of
from services.tuner.platform import Platform, add_evaluation, register_member, wait_until_served
from services.tuner.progress import Progress, Shares, part_of

SHARES = {"text": 4.0, "image": 4.0, "tabular": 2.0}
"""How long a view takes to train, roughly."""
FOLDS_SHARE = 0.7
"""How much of that goes into its folds."""
TRAINED = 0.9


@dataclass(frozen=True)
class Order:
    """What is to be fitted. `anywhere`: paths of pictures may lead out of the table's folder."""

    id: str
    name: str
    dataset_url: str
    options: FitOptions
    anywhere: bool = False


@dataclass(frozen=True)
class Trained:
    """The views' models in order, as ONNX files, and what each reaches on the test part."""

    views: Sequence[ViewModel]
    models: Sequence[bytes]
    test: Outputs
    scores: Sequence[Scores]

    @property
    def view_tuples(self) -> list[tuple[str, ...]]:
        return [(view.view,) for view in self.views]


def fit_table(order: Order, platform: Platform, progress: Progress) -> dict[str, Any]:
    """Train, evaluate and register; the result is plain JSON.

    Raises InvalidInput (InvalidRows) for a table that cannot be learned from, Unavailable where nobody comes to
    serve the new members, and whatever `progress` raises.
    """
    progress("reading the table", 0.0)
    dataset = load_dataset(order.dataset_url, order.options, anywhere=order.anywhere)
    trained = train_views(dataset, order.options, part_of(progress, 0.02, TRAINED))
    progress("registering the members", TRAINED)
    lineage = {"fit": order.id, "dataset_hash": dataset.digest, "dataset_url": order.dataset_url}
    members = register_members(order.name, dataset, trained, platform, lineage)
    kept = keep_files(platform.store_url, order.id, dataset, [m.name for m in members], out_of_fold(trained.views))
    progress("fitting the combiner", 0.93)
    ensemble = combined(order, dataset, trained, members)
    scores = ensemble_scores(ensemble, trained.test, dataset.targets[dataset.test])
    wait_until_served(platform, members, part_of(progress, 0.96, 1.0))
    ensemble = platform.registry.add_ensemble(ensemble, _lineage(lineage, order, dataset, kept))
    add_evaluation(platform, "ensemble", ensemble.name, ensemble.version, dataset.digest, "test", scores)
    return _result(ensemble, dataset, trained, scores, kept)


def train_views(dataset: Dataset, options: FitOptions, progress: Progress) -> Trained:
    """Train and export every view's member, and measure it on the test part."""
    objective = objective_of(dataset.task, dataset.labels, dataset.targets[dataset.train])
    prepared = [view_data(dataset, view) for view in dataset.roles.views]
    shares = Shares(part_of(progress, 0.0, 0.95), sum(SHARES.get(data.view, 1.0) for data in prepared))
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="training") as cores:
        try:
            views = _trained_views(Bench(objective, options.seed, cores, shares), prepared, options)
        except BaseException:
            shares.stop()
            cores.shutdown(wait=False, cancel_futures=True)
            raise
    progress("exporting the members to ONNX", 0.95)
    models = [export_view(view, dataset) for view in views]
    given = test_outputs(views, models, dataset)
    return Trained(views, models, given, member_scores(given, dataset.task, dataset.targets[dataset.test]))


def _trained_views(bench: Bench, prepared: Sequence[ViewData], options: FitOptions) -> list[ViewModel]:
    """Cross-fit every learner of every view side by side, then train each view's best one on all rows."""
    judged = []
    for data in prepared:
        learners = learners_of(data.view, options)
        weight = FOLDS_SHARE * SHARES.get(data.view, 1.0) / len(learners)
        judged.append([start_cross_fit(bench, data, learner, weight) for learner in learners])
    best = [min((outcome() for outcome in view), key=lambda one: one.score) for view in judged]
    refits = [
        start_refit(bench, data, one, (1 - FOLDS_SHARE) * SHARES.get(data.view, 1.0))
        for data, one in zip(prepared, best, strict=True)
    ]
    return [outcome() for outcome in refits]


def register_members(
    name: str, dataset: Dataset, trained: Trained, platform: Platform, lineage: dict[str, Any]
) -> list[Member]:
    """Store and register each view's member as `NAME-VIEW`, with its evaluations."""
    members = []
    targets = dataset.targets[dataset.train]
    judged = member_scores(out_of_fold(trained.views), dataset.task, targets)
    for view, model, scores, own in zip(trained.views, trained.models, trained.scores, judged, strict=True):
        make = partial(_artifact, view, dataset, model, scores.values, lineage)
        member = register_member(platform, f"{name}-{view.view}", make, scores.values)
        for part, found in (("test", scores), ("out_of_fold", own)):
            add_evaluation(platform, "member", member.name, member.version, dataset.digest, part, found)
        members.append(member)
    return members


def combined(order: Order, dataset: Dataset, trained: Trained, members: Sequence[Member]) -> Ensemble:
    """The ensemble with its combiner and expected quality, both from out-of-fold outputs; no version yet."""
    given, targets = out_of_fold(trained.views), dataset.targets[dataset.train]
    options, views = order.options, trained.view_tuples
    kind = "mean" if dataset.task is Task.REGRESSION and options.combiner == "auto" else options.combiner
    task = dataset.task
    combiner = fit_combiner(kind, given.outputs, given.present, targets, views, options.seed, task=task)
    quality = expected_quality(combiner.kind, given.outputs, given.present, targets, views, options.seed, task=task)
    return Ensemble(order.name, 0, task, dataset.labels, tuple(members), combiner, quality=quality)


def _artifact(
    view: ViewModel, dataset: Dataset, model: bytes, metrics: dict[str, float], lineage: Any, name: str, version: int
) -> Any:
    return artifact_of(view, dataset, model, name, version, metrics, lineage)


def _lineage(lineage: dict[str, Any], order: Order, dataset: Dataset, kept: KeptFiles) -> dict[str, Any]:
    return {
        **lineage,
        "roles": dataset.roles.to_json(),
        "options": order.options.model_dump(mode="json"),
        "out_of_fold_url": kept.out_of_fold,
        "test_rows_url": kept.test_rows,
    }


def _result(ensemble: Ensemble, dataset: Dataset, trained: Trained, scores: Scores, kept: KeptFiles) -> dict[str, Any]:
    members = [
        {"name": member.name, "version": member.version, "view": view.view, "learner": view.learner, **own.values}
        for member, view, own in zip(ensemble.members, trained.views, trained.scores, strict=True)
    ]
    return {
        "ensemble": ensemble.name,
        "version": ensemble.version,
        "task": str(ensemble.task),
        "combiner": ensemble.combiner.kind,
        "roles": dataset.roles.to_json(),
        "members": members,
        "ensemble_metrics": scores.values,
        "rows": {"train": len(dataset.train), "test": len(dataset.test)},
        "test_rows_url": kept.test_rows,
        "out_of_fold_url": kept.out_of_fold,
    }
