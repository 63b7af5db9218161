"""`member.json`: what a member's folder holds, and how it is served."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as validated

from quorate.ensemble import Member, OutputBinding, Task
from quorate.errors import InvalidSpec
from quorate.views import view_inputs

MANIFEST = "member.json"
OUTPUTS = ("probabilities", "logits", "label", "index", "value")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
MEMBER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@validated(frozen=True, config=ConfigDict(extra="forbid"))
class Manifest:
    """One version of a member. File and member names that could leave their folder raise InvalidSpec."""

    name: str
    version: int
    task: Task
    views: tuple[str, ...]
    labels: tuple[str, ...]
    backend: str = "onnx"
    model_file: str = "model.onnx"
    model_inputs: Mapping[str, str] = field(default_factory=dict)
    """The model's own name for a feed of the preprocessor (`tokens`, `pixels`, `features`), where it differs."""
    model_output: str = ""
    """The model's own output name; empty: its first output that fits."""
    output: str = "probabilities"
    """What stands in the model's output: probabilities, logits, label, index or value."""
    preprocessing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters of each view's preprocessor."""
    assets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of each view's assets; each is the file `VIEW.ASSET`."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    lineage: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 by file name, filled in when the artifact is put."""
    format: int = 1

    def __post_init__(self) -> None:
        _check_name(MEMBER_NAME, self.name, "member")
        for name in (*self.needed_files, *self.files):
            _check_name(FILE_NAME, name, "file")
        if self.version < 1:
            raise InvalidSpec(f"member {self.name!r} has version {self.version}; versions count from 1")
        if self.output not in OUTPUTS:
            raise InvalidSpec(f"member {self.name!r} has output {self.output!r}; use one of {', '.join(OUTPUTS)}")

    @property
    def needed_files(self) -> tuple[str, ...]:
        """The model and every asset, as file names."""
        return (self.model_file, *(asset_file(view, name) for view, names in self.assets.items() for name in names))


_MANIFESTS = TypeAdapter(Manifest)


def member_of(manifest: Manifest) -> Member:
    """Describe the member as our own worker serves it: its columns in, probabilities (or a value) out."""
    kind = "value" if manifest.task is Task.REGRESSION else "probabilities"
    given = manifest.preprocessing
    inputs = tuple(binding for view in manifest.views for binding in view_inputs(view, given.get(view, {})))
    return Member(
        manifest.name,
        manifest.version,
        manifest.views,
        manifest.task,
        manifest.labels,
        inputs,
        OutputBinding(kind, kind),
        model=manifest.name,
        model_version=str(manifest.version),
    )


def manifest_to_json(manifest: Manifest) -> bytes:
    """Write `member.json`, the same bytes for the same manifest."""
    plain = _MANIFESTS.dump_python(manifest, mode="json")
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def manifest_from_json(data: bytes) -> Manifest:
    """Read `member.json`; InvalidSpec says which field does not fit."""
    try:
        return _MANIFESTS.validate_json(data)
    except ValidationError as error:
        lines = "; ".join(f"{'.'.join(map(str, e['loc'])) or MANIFEST}: {e['msg']}" for e in error.errors())
        raise InvalidSpec(f"{MANIFEST} does not validate: {lines}") from error


def asset_file(view: str, asset: str) -> str:
    """The file that holds a view's asset."""
    return f"{view}.{asset}"


def sha256(data: bytes) -> str:
    """The hex digest that manifests and SQL keep."""
    return hashlib.sha256(data).hexdigest()


def _check_name(pattern: re.Pattern[str], name: str, what: str) -> None:
    if not pattern.fullmatch(name):
        raise InvalidSpec(
            f"{what} name {name!r} is refused; use letters, digits, '.', '_', '-', a letter or digit first"
        )
