"""A trained view as an artifact, refused unless its ONNX file answers as the model it was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from quorate.artifacts import Artifact, Manifest, build_artifact
from quorate.ensemble import Columns, FloatArray, Task
from quorate.errors import QuorateError
from quorate.serving.backends.onnx import OnnxBackend
from quorate.views import Preprocessor
from services.tuner.crossfit import ViewModel
from services.tuner.dataset import Dataset, view_columns
from services.tuner.learner import Feed, feed_rows

ArtifactMaker = Callable[[str, int], Artifact]
"""Makes the artifact of a member for a name and a version."""

TOLERANCE = 1e-4
CHECKED_ROWS = 256
ANSWER_ROWS = 512


class ExportError(QuorateError):
    """The exported model does not answer as its source does, so it is not served."""


def export_view(view: ViewModel, dataset: Dataset) -> bytes:
    """The view's model as ONNX, checked against its source on training rows (among them a single row)."""
    model = view.model.to_onnx()
    rows = dataset.train[view.present][:CHECKED_ROWS]
    feed = view.preprocessor.transform(view_columns(dataset.columns, view.columns, rows))
    backend = OnnxBackend(model)
    for part in (feed, feed_rows(feed, slice(0, 1))):
        _check_same(view, run_model(backend, part), view.model.predict(part))
    return model


def artifact_of(
    view: ViewModel, dataset: Dataset, model: bytes, name: str, version: int, metrics: Mapping[str, float], lineage: Any
) -> Artifact:
    """The member as it is stored."""
    manifest = Manifest(
        name=name,
        version=version,
        task=dataset.task,
        views=(view.view,),
        labels=dataset.labels,
        output="value" if dataset.task is Task.REGRESSION else "probabilities",
        metrics=metrics,
        lineage={**lineage, "learner": view.learner, "rounds": view.rounds},
    )
    return build_artifact(manifest, model, [view.preprocessor])


def run_model(backend: OnnxBackend, feed: Feed) -> FloatArray:
    """The ONNX model's answers [N, C], or values [N, 1]."""
    [output] = backend.run(feed, [backend.outputs[0].name])
    answers: FloatArray = output.reshape(len(output), -1)
    return answers


def answers_of(backend: OnnxBackend, preprocessor: Preprocessor, columns: Columns) -> FloatArray:
    """What the served member answers for raw columns [N, C], some rows at a time."""
    rows = len(next(iter(columns.values())))
    parts = [
        run_model(
            backend,
            preprocessor.transform({name: column[start : start + ANSWER_ROWS] for name, column in columns.items()}),
        )
        for start in range(0, rows, ANSWER_ROWS)
    ]
    return np.concatenate(parts)


def _check_same(view: ViewModel, exported: FloatArray, source: FloatArray) -> None:
    scale = max(1.0, float(np.abs(source).max(initial=0.0)))
    difference = float(np.abs(exported - source).max(initial=0.0)) / scale
    if not difference <= TOLERANCE:
        raise ExportError(
            f"the ONNX file of the {view.view} model ({view.learner}) differs from its source by {difference:.2g}; "
            f"at most {TOLERANCE} is allowed, so it is not served"
        )
