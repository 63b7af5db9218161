"""A member's version, loaded: checked columns in, probabilities or values out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.artifacts import LoadedArtifact, Manifest, member_of
from quorate.ensemble import Columns, InputBinding, Member, OutputBinding, Task
from quorate.errors import InvalidInput, MemberError, listed
from quorate.oip.messages import rows_of
from quorate.oip.outputs import member_output
from quorate.serving.backends import Backend, TensorSpec, load_backend
from quorate.serving.feeds import plan_feeds
from quorate.views import Limits, Preprocessor, load_preprocessor

WARM_UP_ROWS = 2


class ServedModel:
    """Preprocessing, model and output of one version. Thread-safe: it only reads what it was built with."""

    def __init__(self, manifest: Manifest, preprocessors: Mapping[str, Preprocessor], backend: Backend) -> None:
        """Check that the manifest and the model fit by running a first batch; InvalidInput says what does not."""
        self.member = member_of(manifest)
        self.platform = f"onnxruntime_{manifest.backend}"
        self.row_seconds = 0.0
        """What one row took of late, for whoever decides where a batch runs."""
        self._preprocessors = tuple(preprocessors.values())
        self._backend = backend
        self._columns = {column: binding for binding in self.member.inputs for column in binding.columns}
        output = _output(manifest, backend.outputs)
        self._native = replace(self.member, output=OutputBinding(output.name, manifest.output))
        sample = sample_columns(self.member)
        self._feeds = plan_feeds(backend.inputs, manifest.model_inputs, self._sources(sample))
        self._warm_up(sample)

    @property
    def version(self) -> str:
        """The version as the wire writes it."""
        return str(self.member.version)

    def predict(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Return the member's output by name: `probabilities` FP32 [N, C], or `value` FP32 [N].

        Raises InvalidInput or InvalidRows for columns that cannot be used, MemberError when the model fails on them
        or answers NaN.
        """
        started = time.perf_counter()
        rows = rows_of(columns)
        columns = self._checked(columns)
        if rows == 0:
            return self._named(np.zeros((0, max(1, len(self.member.labels)))))
        result = member_output(self._native, self._run(columns), rows)
        seconds = (time.perf_counter() - started) / rows
        self.row_seconds += 0.1 * (seconds - self.row_seconds)
        return self._named(result)

    def _named(self, result: NDArray[Any]) -> dict[str, NDArray[Any]]:
        values = result[:, 0] if self.member.task is Task.REGRESSION else result
        return {self.member.output.tensor: values.astype(np.float32, copy=False)}

    def _run(self, columns: Columns) -> Columns:
        sources = self._sources(columns)
        name = self._native.output.tensor
        (array,) = self._backend.run({feed.spec.name: feed.fill(sources) for feed in self._feeds}, (name,))
        return {name: array}

    def _sources(self, columns: Columns) -> Columns:
        sources = dict(columns)
        for preprocessor in self._preprocessors:
            sources.update(preprocessor.transform(columns))
        return sources

    def _checked(self, columns: Columns) -> Columns:
        checked: Columns = {}
        for name, array in columns.items():
            if (binding := self._columns.get(name)) is None:
                raise InvalidInput(f"there is no input {name!r}; {self.member.name} takes {listed(self._columns)}")
            checked[name] = _checked_column(name, binding, array)
        if missing := [column for column in self._columns if column not in columns]:
            raise InvalidInput(f"input {listed(missing)} is missing; {self.member.name} takes {listed(self._columns)}")
        return checked

    def _warm_up(self, sample: Columns) -> None:
        """Run twice: the first run of a session allocates, the second says what a row takes."""
        for _ in range(2):
            started = time.perf_counter()
            outputs = self._run(sample)
            self.row_seconds = (time.perf_counter() - started) / WARM_UP_ROWS
        if any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in outputs.values()):
            return  # a batch of zeros may be nothing that the model can tell about
        try:
            member_output(self._native, outputs, WARM_UP_ROWS)
        except MemberError as error:
            raise InvalidInput(f"the model's output does not fit its manifest: {error}") from error


def load_model(artifact: LoadedArtifact, limits: Limits) -> ServedModel:
    """Open a verified artifact and warm it up."""
    manifest = artifact.manifest
    # A view without parameters is fed to the model as it came: an ONNX file that takes strings, say.
    preprocessors = {
        view: load_preprocessor(view, manifest.preprocessing[view], artifact.assets(view), limits)
        for view in manifest.views
        if view in manifest.preprocessing
    }
    return ServedModel(manifest, preprocessors, load_backend(manifest.backend, artifact.model_path))


def sample_columns(member: Member, rows: int = WARM_UP_ROWS) -> Columns:
    """Return a harmless batch of the member's columns: zeros, missing categories, a grey picture, two words."""
    return {column: _sample(column, binding, rows) for binding in member.inputs for column in binding.columns}


def _sample(column: str, binding: InputBinding, rows: int) -> NDArray[Any]:
    if binding.datatype != "BYTES":
        return np.zeros(rows)
    if column == "image":
        return np.full((rows, 8, 8), 127, dtype=np.uint8)
    cells = np.empty(rows, dtype=object)
    cells[:] = b"warm up" if column == "text" else b""
    return cells


def _checked_column(name: str, binding: InputBinding, array: NDArray[Any]) -> NDArray[Any]:
    """The column as [N] (pictures as they are), where its datatype and shape are the input's."""
    is_text = array.dtype.kind in "OSU"
    if name == "image" and not is_text:
        if array.dtype != np.uint8 or array.ndim not in (3, 4):
            raise InvalidInput(f"input 'image' is {array.dtype} {list(array.shape)}; send BYTES [N] or UINT8 [N,H,W,C]")
        return array
    if is_text != (binding.datatype == "BYTES"):
        expected = "BYTES" if binding.datatype == "BYTES" else f"numbers ({binding.datatype})"
        raise InvalidInput(f"input {name!r} holds {'BYTES' if is_text else array.dtype}; it takes {expected}")
    if array.size != array.shape[0] or array.ndim > 2:
        raise InvalidInput(f"input {name!r} has shape {list(array.shape)}; it takes [N]")
    return array.reshape(-1)


def _output(manifest: Manifest, outputs: tuple[TensorSpec, ...]) -> TensorSpec:
    """The model's output that the manifest means: by name, or the first one of a fitting type and width."""
    if manifest.model_output:
        for spec in outputs:
            if spec.name == manifest.model_output:
                return spec
        raise InvalidInput(
            f"the model has no output {manifest.model_output!r}; its outputs are {', '.join(map(str, outputs))}"
        )
    fitting = [spec for spec in outputs if _may_hold(spec, manifest)]
    if not fitting:
        raise InvalidInput(
            f"no output of the model can be {manifest.output}; its outputs are {', '.join(map(str, outputs))}"
        )
    return fitting[0]


def _may_hold(spec: TensorSpec, manifest: Manifest) -> bool:
    kind = spec.dtype.kind if spec.dtype is not None else ""
    if manifest.output == "label":
        return kind == "O"
    if manifest.output == "index":
        return kind in ("i", "u")
    width = 1 if manifest.output == "value" else len(manifest.labels)
    return kind == "f" and (len(spec.shape) < 2 or spec.shape[-1] in (None, width))
