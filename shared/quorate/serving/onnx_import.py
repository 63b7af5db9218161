"""A member made from a user's ONNX file: its inputs understood, its output probed, and all of it tried once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.artifacts import Artifact, Manifest, build_artifact
from quorate.ensemble import Columns, Task
from quorate.errors import InvalidInput, QuorateError
from quorate.serving.backends.base import TensorSpec
from quorate.serving.backends.onnx import OnnxBackend
from quorate.serving.feeds import plan_feeds
from quorate.serving.model import ServedModel
from quorate.serving.onnx_inputs import Inputs, image_inputs, tabular_inputs, text_inputs
from quorate.views import Preprocessor, load_preprocessor

PROBE_ROWS = 16
SUM_SLACK = 1e-3


def import_onnx(
    model: bytes,
    *,
    name: str,
    version: int,
    view: str,
    labels: Sequence[str] = (),
    task: Task = Task.CLASSIFICATION,
    columns: Sequence[str] = (),
    tokenizer: bytes | None = None,
    output: str = "",
    size: tuple[int, int] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
) -> Artifact:
    """Return the artifact that serves the model as a member of one view.

    `columns` are a table's, in the order of the model's matrix or inputs; `x0`, `x1`, ... or the inputs' own names
    where they are not given. `output` names the model's output where it has several. `preprocessing` overrides
    parameters of the view (docs/views.md), such as the mean and std of pictures.
    Raises InvalidInput, naming the model's inputs and outputs and a remedy, where they do not fit.
    """
    _check_labels(task, labels)
    backend = OnnxBackend(model)
    inputs = _inputs(view, backend.inputs, columns, tokenizer, size)
    preprocessors = _preprocessors(view, inputs, preprocessing or {})
    spec = _output(backend.outputs, task, len(labels), output)
    probe = _probe(backend, inputs, view, preprocessors, spec)
    manifest = Manifest(
        name,
        version,
        task,
        (view,),
        tuple(labels),
        model_inputs=dict(inputs.model_inputs),
        model_output=spec.name,
        output=_meaning(spec, probe, task, labels),
        lineage={"source": "onnx"},
    )
    artifact = build_artifact(manifest, model, preprocessors)
    ServedModel(artifact.manifest, {p.view: p for p in preprocessors}, backend)
    return artifact


def _check_labels(task: Task, labels: Sequence[str]) -> None:
    if task is Task.REGRESSION and labels:
        raise InvalidInput(f"a regression has no labels, and {len(labels)} are given; leave them out")
    if task is not Task.REGRESSION and len(labels) < 2:
        raise InvalidInput(
            f"a {task.value} needs two labels or more, in the order of the model's classes: --labels a,b"
        )
    if len(set(labels)) < len(labels):
        raise InvalidInput(f"a label is given twice: {', '.join(labels)}; give one a class, in the model's order")


def _inputs(
    view: str,
    specs: Sequence[TensorSpec],
    columns: Sequence[str],
    tokenizer: bytes | None,
    size: tuple[int, int] | None,
) -> Inputs:
    if columns and view != "tabular":
        raise InvalidInput(f"columns belong to the view 'tabular'; the view {view!r} reads the column {view!r}")
    if view == "tabular":
        return tabular_inputs(specs, columns)
    if view == "image":
        return image_inputs(specs, size)
    if view == "text":
        return text_inputs(specs, tokenizer)
    raise InvalidInput(f"an ONNX file can be a member of the view text, image or tabular; not of {view!r}")


def _preprocessors(view: str, inputs: Inputs, overrides: Mapping[str, Any]) -> list[Preprocessor]:
    if inputs.parameters is None:
        if overrides:
            raise InvalidInput("the model takes the raw column; there is no preprocessing to set")
        return []
    return [load_preprocessor(view, {**inputs.parameters, **overrides}, inputs.assets)]


def _output(outputs: Sequence[TensorSpec], task: Task, labels: int, name: str) -> TensorSpec:
    """The output that is meant: the one named, else the first that can hold a score a class, else labels."""
    if name:
        for spec in outputs:
            if spec.name == name and spec.dtype is not None:
                return spec
        raise InvalidInput(f"the model has no tensor {name!r}; its outputs are {', '.join(map(str, outputs))}")
    width = 1 if task is Task.REGRESSION else labels
    scores = [spec for spec in outputs if _is_float(spec) and (not spec.shape or spec.shape[-1] in (None, width))]
    if scores:
        return scores[0]
    if any(spec.kind.startswith("seq(map") for spec in outputs):
        raise InvalidInput(
            "the model answers a list of dictionaries (ZipMap); export it with "
            "options={id(model): {'zipmap': False}}, so that its probabilities are a tensor"
        )
    others = [spec for spec in outputs if spec.dtype is not None and spec.dtype.kind in "Oiu"]
    if task is Task.CLASSIFICATION and others and not any(_is_float(spec) for spec in outputs):
        return others[0]
    raise InvalidInput(
        f"no output of the model holds {'a value' if width == 1 else f'{width} scores'} a row; "
        f"its outputs are {', '.join(map(str, outputs))}; are the labels all there, in the model's order?"
    )


def _probe(
    backend: OnnxBackend, inputs: Inputs, view: str, preprocessors: Sequence[Preprocessor], output: TensorSpec
) -> NDArray[Any]:
    """What the model answers to random rows, asked for one row and for many, as a server would be."""
    sources = _random_columns(view, inputs)
    for preprocessor in preprocessors:
        sources.update(preprocessor.transform(sources))
    feeds = plan_feeds(backend.inputs, inputs.model_inputs, sources)
    array: NDArray[Any] = np.empty(0)
    for rows in (1, PROBE_ROWS):
        filled = {feed.spec.name: feed.fill({name: cells[:rows] for name, cells in sources.items()}) for feed in feeds}
        try:
            (array,) = backend.run(filled, (output.name,))
        except QuorateError as error:
            raise InvalidInput(f"the model does not run on {rows} rows of random input: {error}") from error
        if array.ndim == 0 or array.shape[0] != rows:
            raise InvalidInput(
                f"output {output} has shape {list(array.shape)} for {rows} rows; it needs one entry a row"
            )
    return array


def _random_columns(view: str, inputs: Inputs) -> Columns:
    random = np.random.default_rng(0)
    if view == "image":
        return {"image": random.integers(0, 256, (PROBE_ROWS, 16, 16, 3), dtype=np.uint8)}
    if view == "text":
        return {"text": _cells([" ".join(random.choice(["a", "good", "bad", "day"], 6)) for _ in range(PROBE_ROWS)])}
    described = (inputs.parameters or {}).get("columns", ())
    return {
        column["name"]: _cells(["a"] * PROBE_ROWS)
        if column.get("kind") == "categorical"
        else random.integers(-3, 4, PROBE_ROWS).astype(np.float64)
        for column in described
    }


def _meaning(spec: TensorSpec, probe: NDArray[Any], task: Task, labels: Sequence[str]) -> str:
    """Say what stands in the output, from what it held for random rows."""
    if task is Task.REGRESSION:
        return "value"
    if probe.dtype.kind in "iu":
        if int(probe.min()) < 0 or int(probe.max()) >= len(labels):
            raise InvalidInput(f"output {spec} held {int(probe.max())}; an index runs from 0 to {len(labels) - 1}")
        return "index"
    if not _is_float(spec):
        if strange := {str(cell) for cell in probe.ravel()} - set(labels):
            raise InvalidInput(f"output {spec} held {', '.join(sorted(strange))}; the labels are {', '.join(labels)}")
        return "label"
    if probe.shape[1:] != (len(labels),):
        raise InvalidInput(
            f"output {spec} has {probe.shape[1] if probe.ndim > 1 else 1} scores a row for {len(labels)} labels; "
            "give one label a score, in the model's order"
        )
    probe = probe[np.isfinite(probe).all(axis=1)]
    if not len(probe):
        raise InvalidInput(
            f"output {spec} held NaN or infinity for every random row; does the model expect another scale?"
        )
    within = bool(((probe >= 0) & (probe <= 1)).all())
    sums_to_one = task is Task.MULTILABEL or bool(np.abs(probe.sum(axis=1) - 1).max() < SUM_SLACK)
    return "probabilities" if within and sums_to_one else "logits"


def _is_float(spec: TensorSpec) -> bool:
    return spec.dtype is not None and spec.dtype.kind == "f"


def _cells(values: Sequence[str]) -> NDArray[Any]:
    cells = np.empty(len(values), dtype=object)
    cells[:] = list(values)
    return cells
