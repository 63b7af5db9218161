"""A new combiner for an ensemble that is served already, from what its members say about labelled rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.db import RegisteredEnsemble
from quorate.ensemble import Columns, Ensemble, FloatArray, Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.fitting import expected_quality, fit_combiner
from quorate.fitting.base import OutOfFold
from quorate.fitting.fit import cross_fitted
from quorate.tables import (
    Roles,
    columns_of,
    dataset_hash,
    labels_of,
    pack_images,
    read_table,
    roles_of_members,
    targets_of,
)
from services.tuner.dataset import folder_of
from services.tuner.evaluation import Outputs, Scores, member_scores, scores_of
from services.tuner.kept import outputs_table, write_parquet
from services.tuner.live_members import live_outputs
from services.tuner.pipeline import Order
from services.tuner.platform import Platform, add_evaluation
from services.tuner.progress import Progress, step_of
from services.tuner.splitting import MIN_ROWS


@dataclass(frozen=True)
class Labelled:
    """A labelled table as the members of an ensemble read it."""

    table: pa.Table
    roles: Roles
    label: str
    columns: Columns
    targets: NDArray[Any]


def fit_ensemble(order: Order, platform: Platform, progress: Progress) -> dict[str, Any]:
    """Ask the members, fit their combiner, register the ensemble's next version; the result is plain JSON.

    The rows should be new to the members: on rows that they were trained on they look better than they are.
    Raises NotFound for an unknown ensemble, InvalidInput for a table that does not fit it.
    """
    progress("reading the table", 0.0)
    found = platform.registry.get_ensemble(order.name, order.options.version)
    labelled = load_labelled(order, found)
    report = step_of(progress, "asking the members", 0.05, 0.85)
    given = live_outputs(found.ensemble, labelled.columns, labelled.table.num_rows, platform, report)
    progress("fitting the combiner", 0.85)
    fitted = fitted_ensemble(found.ensemble, given, labelled.targets, order)
    scores = cross_scores(fitted, given, labelled.targets, order.options.seed)
    return _registered(order, platform, found, fitted, labelled, given, scores)


def load_labelled(order: Order, found: RegisteredEnsemble) -> Labelled:
    """Read the table under the names that the ensemble's own training table had, or its members' columns have."""
    table = read_table(order.dataset_url)
    stored = found.lineage.get("roles")
    roles = Roles.from_json(stored) if stored else roles_of_members(found.ensemble.members)
    label = order.options.label or roles.label
    if not label:
        raise InvalidInput(f"the fit does not say which column holds the label of {order.name!r}; give `label`")
    packed, unread = pack_images(table, roles, folder_of(order.dataset_url), anywhere=order.anywhere)
    if unread:
        raise InvalidRows(unread)
    targets = targets_in(found.ensemble, table, label)
    if len(targets) < MIN_ROWS:
        raise InvalidInput(f"the table has {len(targets)} rows; a combiner needs at least {MIN_ROWS}")
    return Labelled(table, roles, label, columns_of(packed, roles), targets)


def targets_in(ensemble: Ensemble, table: pa.Table, label: str) -> NDArray[Any]:
    """Each row's position in the ensemble's labels, or its number; InvalidInput for a class it does not know."""
    if ensemble.task is Task.REGRESSION:
        return targets_of(table, label)
    if ensemble.task is not Task.CLASSIFICATION:
        raise InvalidInput(f"{ensemble.name!r} is for {ensemble.task}; combiners are fitted for one label a row")
    classes, positions = labels_of(table, label)
    if unknown := sorted(set(classes) - set(ensemble.labels)):
        raise InvalidInput(
            f"the column {label!r} holds {', '.join(map(repr, unknown[:8]))}; "
            f"the labels of {ensemble.name!r} are {', '.join(map(repr, ensemble.labels))}"
        )
    return np.array([ensemble.labels.index(name) for name in classes], dtype=np.int64)[positions]


def fitted_ensemble(ensemble: Ensemble, given: Outputs, targets: NDArray[Any], order: Order) -> Ensemble:
    """The ensemble with a new combiner and what it is expected to reach."""
    if not given.present.any(axis=1).all():
        absent = [m.name for m, there in zip(ensemble.members, given.present, strict=True) if not there.any()]
        raise InvalidInput(f"no row has what {', '.join(absent)} reads; give the columns that every member looks at")
    views, seed, task = [member.views for member in ensemble.members], order.options.seed, ensemble.task
    fit_on = (given.outputs, given.present, targets, views, seed)
    combiner = fit_combiner(order.options.combiner, *fit_on, task=task)
    return replace(ensemble, combiner=combiner, quality=expected_quality(combiner.kind, *fit_on, task=task))


def cross_scores(ensemble: Ensemble, given: Outputs, targets: NDArray[Any], seed: int) -> Scores:
    """What the combiner reaches on rows that it was not fitted on, by cross-fitting."""
    there = np.flatnonzero(given.present.any(axis=0))
    views = tuple(member.views for member in ensemble.members)
    data = OutOfFold(given.outputs, given.present, targets, views, ensemble.task).rows(there)
    merged: FloatArray = cross_fitted(ensemble.combiner.kind, data, seed)
    return scores_of(ensemble.task, data.labels, merged)


def _registered(
    order: Order,
    platform: Platform,
    found: RegisteredEnsemble,
    fitted: Ensemble,
    labelled: Labelled,
    given: Outputs,
    scores: Scores,
) -> dict[str, Any]:
    digest = dataset_hash(labelled.table)
    names = [member.name for member in fitted.members]
    url = f"{platform.store_url}/fits/{order.id}/out_of_fold.parquet"
    write_parquet(url, outputs_table(np.arange(len(labelled.targets)), labelled.targets, names, given))
    lineage = {
        **found.lineage,
        "fit": order.id,
        "combiner_from": found.ensemble.version,
        "dataset_hash": digest,
        "dataset_url": order.dataset_url,
        "out_of_fold_url": url,
    }
    ensemble = platform.registry.add_ensemble(fitted, lineage)
    add_evaluation(platform, "ensemble", ensemble.name, ensemble.version, digest, "cross_fitted", scores)
    members = []
    for member, own in zip(fitted.members, member_scores(given, fitted.task, labelled.targets), strict=True):
        add_evaluation(platform, "member", member.name, member.version, digest, "labelled", own)
        members.append({"name": member.name, "version": member.version, "view": "+".join(member.views), **own.values})
    return {
        "ensemble": ensemble.name,
        "version": ensemble.version,
        "task": str(ensemble.task),
        "combiner": ensemble.combiner.kind,
        "roles": labelled.roles.to_json(),
        "members": members,
        "ensemble_metrics": scores.values,
        "rows": {"labelled": len(labelled.targets)},
        "out_of_fold_url": url,
    }
