"""What a job writes: the columns of its parts, and of its rejects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.combiners.base import pattern_of
from quorate.ensemble import Ensemble, Task
from quorate.errors import InvalidInput
from services.coordinator.jobs.scorer import ScoredRows

COLUMNS = ("label", "probabilities", "members", "quorum", "expected_quality")
DEFAULT_COLUMNS = ("label", "probabilities")
REJECTS_SCHEMA = pa.schema([("row", pa.int64()), ("reason", pa.string())])


def checked_columns(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns to write, the default ones where none is named; InvalidInput for one that does not exist."""
    if unknown := [name for name in names if name not in COLUMNS]:
        raise InvalidInput(f"there is no output column {unknown[0]!r}; choose from {', '.join(COLUMNS)}")
    return tuple(dict.fromkeys(names)) or DEFAULT_COLUMNS


def engine_outputs(ensemble: Ensemble, columns: Sequence[str]) -> tuple[str, ...]:
    """Name the engine's outputs that these columns are made of."""
    main = ("value",) if ensemble.task is Task.REGRESSION else ("probabilities",)
    label = ("label",) if ensemble.task is Task.CLASSIFICATION and "label" in columns else ()
    return main + label + (("members.*",) if "members" in columns else ())


def output_schema(ensemble: Ensemble, columns: Sequence[str], allow_degraded: bool) -> pa.Schema:
    """Describe a part: `row` (0-based in the input), then what was asked for; a regression has `value`.

    `members.<name>` is null where that member did not answer, `quorum` names those who did. Where rows may be
    degraded, `degraded` marks them.
    """
    fields: list[tuple[str, pa.DataType]] = [("row", pa.int64())]
    if ensemble.task is Task.REGRESSION:
        fields.append(("value", pa.float32()))
    if "label" in columns and ensemble.task is Task.CLASSIFICATION:
        fields.append(("label", pa.string()))
    if "probabilities" in columns and ensemble.task is not Task.REGRESSION:
        fields.append(("probabilities", pa.list_(pa.float32())))
    if "members" in columns:
        fields += [(f"members.{member.name}", pa.list_(pa.float32())) for member in ensemble.members]
    if "quorum" in columns:
        fields.append(("quorum", pa.list_(pa.string())))
    if "expected_quality" in columns:
        fields.append(("expected_quality", pa.float64()))
    if allow_degraded:
        fields.append(("degraded", pa.bool_()))
    return pa.schema(fields)


def scored_table(ensemble: Ensemble, schema: pa.Schema, parts: Sequence[ScoredRows]) -> pa.Table:
    """Return the answered rows as one table, in the input's order."""
    batches = [_record_batch(ensemble, schema, part) for part in parts]
    return pa.Table.from_batches(batches, schema).sort_by("row")


def rejects_table(rejected: Mapping[int, str]) -> pa.Table:
    """Return the rejected rows with their reasons, in the input's order."""
    rows = sorted(rejected)
    return pa.table({"row": rows, "reason": [rejected[row] for row in rows]}, schema=REJECTS_SCHEMA)


def _record_batch(ensemble: Ensemble, schema: pa.Schema, part: ScoredRows) -> pa.RecordBatch:
    answer = part.answer
    arrays = {"row": part.rows}
    for name, values in answer.outputs.items():
        arrays[name] = _lists(values, None) if name == "probabilities" else values
    for index, member in enumerate(ensemble.members):
        if (name := f"members.{member.name}") in schema.names:
            arrays[name] = _lists(answer.outputs[name], answer.present[index])
    if "label" in schema.names:
        arrays["label"] = pa.array(answer.outputs["label"], pa.binary()).cast(pa.string())
    if "quorum" in schema.names:
        arrays["quorum"] = _by_pattern(answer.present, lambda there: _names(ensemble, there), pa.list_(pa.string()))
    if "expected_quality" in schema.names:
        arrays["expected_quality"] = _by_pattern(answer.present, lambda there: _quality(ensemble, there), pa.float64())
    if "degraded" in schema.names:
        arrays["degraded"] = np.full(len(part.rows), answer.degraded)
    return pa.RecordBatch.from_arrays([pa.array(arrays[field.name], field.type) for field in schema], schema=schema)


def _lists(values: NDArray[Any], present: NDArray[np.bool_] | None) -> pa.Array:
    """Return [N, C] as N lists; null where `present` says that nobody is behind the row."""
    rows, width = values.shape
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * width)
    mask = None if present is None or present.all() else pa.array(~present)
    return pa.ListArray.from_arrays(offsets, flat, mask=mask)


def _by_pattern(present: NDArray[np.bool_], of: Any, kind: pa.DataType) -> pa.Array:
    patterns, positions = np.unique(present, axis=1, return_inverse=True)
    values = pa.array([of(patterns[:, index]) for index in range(patterns.shape[1])], kind)
    return values.take(pa.array(positions.reshape(-1)))


def _names(ensemble: Ensemble, there: NDArray[np.bool_]) -> list[str]:
    return [member.name for member, answered in zip(ensemble.members, there, strict=True) if answered]


def _quality(ensemble: Ensemble, there: NDArray[np.bool_]) -> float | None:
    quality = ensemble.quality.get(pattern_of(there))
    return None if quality is None else quality.value
