"""Asks every member that has something to answer, at once, and waits until all have ended or the budget has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.ensemble import BoolArray, Columns, FloatArray, MemberReport, Status
from quorate.errors import DeadlineExceeded, InvalidInput, InvalidRows
from services.coordinator.engine.batching import Coalescer
from services.coordinator.engine.columns import Batch, row_count, take
from services.coordinator.engine.inputs import MemberInputs
from services.coordinator.engine.items import Items

_MISSING: dict[str, Any] = {"BYTES": b"", "FP32": np.nan, "FP64": np.nan}


@dataclass(slots=True)
class Ask:
    """One member's part in one request. `rows` is None where it is asked for all of them."""

    inputs: MemberInputs
    batch: Batch | None = None
    rows: BoolArray | None = None
    missing: str = ""
    """Why the member is not asked, where it is not."""
    future: asyncio.Future[FloatArray] | None = None
    ended_at: float = 0.0

    @property
    def answered(self) -> bool:
        future = self.future
        return future is not None and future.done() and not future.cancelled() and future.exception() is None


def ask_of(inputs: MemberInputs, items: Items, views: Sequence[str]) -> Ask:
    """Return what to put to the member: its columns, in the rows where its views are there."""
    rows: BoolArray | None = None
    if items.present is not None:
        there: BoolArray = np.logical_and.reduce(items.present[list(inputs.views)], axis=0)
        if not there.any():
            absent = [views[view] for view in inputs.views if not items.present[view].all()]
            return Ask(inputs, missing=f"{' and '.join(absent)} not there in any row")
        rows = None if there.all() else there
    columns: Columns = {}
    for name in inputs.columns:
        array = items.columns.get(name)
        if array is None:
            datatype = inputs.imputed.get(name)
            if datatype is None:
                return Ask(inputs, missing=f"column {name!r} is not in the request")
            array = _missing_cells(datatype, items.rows)
        columns[name] = array
    return Ask(inputs, columns if rows is None else take(columns, rows), rows)


async def gather_answers(asks: Sequence[Ask], coalescers: Sequence[Coalescer], until: float) -> None:
    """Put each ask to its member and return when all have ended, or at `until` (the loop's time).

    What is not there by then, or when this is cancelled, is given up. Raises nothing of its own.
    """
    loop = asyncio.get_running_loop()
    finished: asyncio.Future[None] = loop.create_future()
    left = 0

    def ended(ask: Ask, _: asyncio.Future[FloatArray]) -> None:
        nonlocal left
        left -= 1
        ask.ended_at = loop.time()
        if not left and not finished.done():
            finished.set_result(None)

    for ask, coalescer in zip(asks, coalescers, strict=True):
        if ask.batch is not None:
            ask.future = coalescer.submit(ask.batch, until)
            ask.future.add_done_callback(partial(ended, ask))
            left += 1
    timer = loop.call_at(until, _finish, finished)
    try:
        if left:
            await finished
    finally:
        timer.cancel()
        for ask in asks:
            if ask.future is not None and not ask.future.done():
                ask.future.cancel()


def report_of(ask: Ask, started: float, until: float) -> MemberReport:
    """Say what became of the member."""
    member = ask.inputs.member
    if ask.batch is None or ask.future is None:
        return MemberReport(member.name, member.version, Status.MISSING_VIEW, ask.missing)
    asked = row_count(ask.batch)
    if ask.answered:
        return MemberReport(member.name, member.version, Status.ANSWERED, "", ask.ended_at - started, asked, asked)
    error = None if ask.future.cancelled() else ask.future.exception()
    if error is None or isinstance(error, DeadlineExceeded):
        waited = until - started
        return MemberReport(member.name, member.version, Status.LATE, f"no answer within {waited:.3g} s", waited, asked)
    seconds = ask.ended_at - started
    return MemberReport(
        member.name, member.version, Status.FAILED, str(error), seconds, asked, error=type(error).__name__
    )


def refused_rows(asks: Sequence[Ask]) -> dict[int, str]:
    """Map the request's rows that some member could not read to why."""
    reasons: dict[int, str] = {}
    for ask in asks:
        if isinstance(error := _error_of(ask), InvalidRows):
            numbers = None if ask.rows is None else np.flatnonzero(ask.rows)
            for row, why in error.reasons.items():
                reasons.setdefault(row if numbers is None else int(numbers[row]), why)
    return reasons


def refusal(asks: Sequence[Ask]) -> str:
    """Say why the request itself is to blame, where every member that was asked refused it; else empty."""
    errors = [_error_of(ask) for ask in asks if ask.future is not None]
    if errors and all(isinstance(error, InvalidInput) for error in errors):
        return "; ".join(dict.fromkeys(str(error) for error in errors))
    return ""


def _error_of(ask: Ask) -> BaseException | None:
    future = ask.future
    return None if future is None or not future.done() or future.cancelled() else future.exception()


def _missing_cells(datatype: str, rows: int) -> NDArray[Any]:
    return np.full(rows, _MISSING[datatype], dtype=object if datatype == "BYTES" else np.float64)


def _finish(finished: asyncio.Future[None]) -> None:
    if not finished.done():
        finished.set_result(None)
