"""From what the members said to one answer: outputs aligned, checked against what was asked for, and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, FloatArray, Task
from quorate.errors import InvalidInput
from services.coordinator.engine.fanout import Ask

MEMBERS = "members."
"""`members.<name>` is that member's own output; `members.*` stands for all of them."""


def main_outputs(task: Task) -> tuple[str, ...]:
    """Name what an ensemble of this task answers when nothing is asked for by name."""
    if task is Task.REGRESSION:
        return ("value",)
    return ("probabilities", "label") if task is Task.CLASSIFICATION else ("probabilities",)


def wanted_outputs(task: Task, names: Sequence[str], members: Sequence[str]) -> tuple[str, ...]:
    """Return the outputs asked for, in order, `members.*` spelled out; InvalidInput for one that does not exist."""
    known = main_outputs(task)
    if not names:
        return known
    everyone = tuple(MEMBERS + member for member in members)
    wanted: dict[str, None] = {}
    for name in names:
        if name == f"{MEMBERS}*":
            wanted |= dict.fromkeys(everyone)
        elif name in known or name in everyone:
            wanted[name] = None
        else:
            raise InvalidInput(f"there is no output {name!r}; the outputs are {', '.join((*known, *everyone))}")
    return tuple(wanted)


def aligned(asks: Sequence[Ask], rows: int, width: int) -> tuple[FloatArray, BoolArray]:
    """Return outputs [M, N, C] and who said them [M, N]; where a member is absent its outputs are NaN."""
    whole = [ask.future.result() for ask in asks if ask.rows is None and ask.answered and ask.future is not None]
    if len(whole) == len(asks):
        return np.array(whole), np.ones((len(asks), rows), dtype=bool)
    outputs = np.full((len(asks), rows, width), np.nan)
    present = np.zeros((len(asks), rows), dtype=bool)
    for index, ask in enumerate(asks):
        if ask.answered and ask.future is not None:
            where = slice(None) if ask.rows is None else ask.rows
            outputs[index, where] = ask.future.result()
            present[index, where] = True
    return outputs, present


def named_outputs(
    wanted: Sequence[str], combined: FloatArray, outputs: FloatArray, members: Sequence[str], labels: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the arrays that were asked for; `labels` [C] holds bytes, so that an index turns into a BYTES cell."""
    named: dict[str, NDArray[Any]] = {}
    for name in wanted:
        if name == "probabilities":
            named[name] = combined.astype(np.float32, copy=False)
        elif name == "label":
            named[name] = labels[combined.argmax(axis=1)]
        elif name == "value":
            named[name] = combined[:, 0].astype(np.float32, copy=False)
        else:
            named[name] = outputs[members.index(name[len(MEMBERS) :])].astype(np.float32, copy=False)
    return named
