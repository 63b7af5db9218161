"""What a member's answer means: any of the output kinds as probabilities [N, C], or values [N, 1]."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.combiners.base import softmax
from quorate.ensemble import Columns, FloatArray, Member, Task
from quorate.errors import MemberError

SLACK = 0.02
"""How far a row of probabilities may be from summing to 1: quantised and half-precision models round."""


def member_output(member: Member, outputs: Columns, rows: int) -> FloatArray:
    """Return probabilities [rows, C] in the order of the member's labels, or values [rows, 1] for a regression.

    Raises MemberError where the tensor is missing, of another shape, not finite, or not what its kind says.
    """
    binding = member.output
    array = outputs.get(binding.tensor)
    if array is None:
        raise MemberError(
            f"{member.name} answered {', '.join(outputs) or 'nothing'}; expected output {binding.tensor!r}"
        )
    if array.ndim == 0 or array.shape[0] != rows:
        raise MemberError(f"{member.name} answered {binding.tensor!r} of shape {list(array.shape)} for {rows} rows")
    return _READERS[binding.kind](member, array)


def _values(member: Member, array: NDArray[Any]) -> FloatArray:
    return _finite(member, _numbers(member, array, 1))


def _probabilities(member: Member, array: NDArray[Any]) -> FloatArray:
    scores = _numbers(member, array, len(member.labels))
    if scores.size == 0:
        return scores
    exclusive = member.task is Task.CLASSIFICATION
    # NaN and infinity come through either sum as such, and fit nowhere.
    off = np.abs(scores.sum(axis=1) - 1).max() if exclusive else scores.max() - 1
    if not (off <= SLACK and scores.min() >= -SLACK):
        raise _not_probabilities(member, _finite(member, scores))
    return scores


def _not_probabilities(member: Member, scores: FloatArray) -> MemberError:
    low, high = float(scores.min()), float(scores.max())
    if low < -SLACK or high > 1 + SLACK:
        return MemberError(
            f"{member.name} answered scores from {low:.4g} to {high:.4g} as probabilities; say `kind: logits`"
        )
    return MemberError(f"{member.name} answered probabilities of a row that do not sum to 1")


def _logits(member: Member, array: NDArray[Any]) -> FloatArray:
    scores = _finite(member, _numbers(member, array, len(member.labels)))
    if member.task is Task.MULTILABEL:
        return np.asarray(1 / (1 + np.exp(-np.clip(scores, -60, 60))), dtype=np.float32)
    return softmax(scores)


def _labels(member: Member, array: NDArray[Any]) -> FloatArray:
    index_of = {label: index for index, label in enumerate(member.labels)}
    try:
        indices = [index_of[_text(cell)] for cell in _one_each(member, array)]
    except KeyError as error:
        raise MemberError(f"{member.name} answered label {error}; its labels are {', '.join(member.labels)}") from None
    return _one_hot(indices, len(member.labels))


def _indices(member: Member, array: NDArray[Any]) -> FloatArray:
    cells = _one_each(member, array)
    if cells.dtype.kind not in "iu":
        raise MemberError(f"{member.name} answered {member.output.tensor!r} as {cells.dtype}; an index is an integer")
    if len(cells) and not 0 <= int(cells.min()) <= int(cells.max()) < len(member.labels):
        raise MemberError(f"{member.name} answered an index outside its {len(member.labels)} labels")
    return _one_hot(cells.tolist(), len(member.labels))


def _numbers(member: Member, array: NDArray[Any], width: int) -> FloatArray:
    if array.dtype.kind not in "fiu":
        raise MemberError(f"{member.name} answered {member.output.tensor!r} as {array.dtype}; expected numbers")
    if width == 1 and array.ndim == 1:
        array = array[:, None]
    if array.shape[1:] != (width,):
        raise MemberError(
            f"{member.name} answered {member.output.tensor!r} of shape {list(array.shape)}; expected [N, {width}]"
        )
    return array if array.dtype == np.float64 else array.astype(np.float32, copy=False)


def _finite(member: Member, scores: FloatArray) -> FloatArray:
    if not np.isfinite(scores).all():
        raise MemberError(f"{member.name} answered NaN or infinity in {member.output.tensor!r}")
    return scores


def _one_each(member: Member, array: NDArray[Any]) -> NDArray[Any]:
    if array.size != array.shape[0]:
        raise MemberError(f"{member.name} answered {member.output.tensor!r} of shape {list(array.shape)}; expected [N]")
    return array.reshape(-1)


def _text(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _one_hot(indices: list[int], width: int) -> FloatArray:
    result = np.zeros((len(indices), width), dtype=np.float32)
    result[np.arange(len(indices)), indices] = 1.0
    return result


_READERS = {
    "probabilities": _probabilities,
    "logits": _logits,
    "label": _labels,
    "index": _indices,
    "value": _values,
}
