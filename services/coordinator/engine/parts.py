"""Rows of one caller on their way in a batch, and how a batch's outcome is handed back to its callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quorate.ensemble import FloatArray
from quorate.errors import InvalidRows
from services.coordinator.engine.columns import Batch, Signature


@dataclass(eq=False, slots=True)
class Part:
    """Rows of one caller that travel together, and where their outputs are delivered."""

    batch: Batch
    rows: int
    size: int
    signature: Signature
    deadline: float
    since: float
    future: asyncio.Future[FloatArray]

    def fail(self, error: Exception) -> None:
        """Tell the caller, if it still waits."""
        if not self.future.done():
            self.future.set_exception(error)


def deliver(parts: Sequence[Part], outputs: FloatArray) -> None:
    """Give each caller that still waits its own rows of the batch's outputs [N, C]."""
    first = 0
    for part in parts:
        if not part.future.done():
            part.future.set_result(outputs[first : first + part.rows])
        first += part.rows


def blame(parts: Sequence[Part], error: InvalidRows) -> list[Part]:
    """Fail each part that has bad rows, numbered as its caller sent them; return the others."""
    clean = []
    first = 0
    for part in parts:
        rows = {row - first: why for row, why in error.reasons.items() if first <= row < first + part.rows}
        if rows:
            part.fail(InvalidRows(rows))
        else:
            clean.append(part)
        first += part.rows
    return clean


async def joined(futures: Sequence[asyncio.Future[FloatArray]], rows: Sequence[int]) -> FloatArray:
    """Wait for all parts of one caller; bad rows of every part are told together, as the caller numbered them."""
    results = await asyncio.gather(*futures, return_exceptions=True)
    reasons: dict[int, str] = {}
    first = 0
    for result, count in zip(results, rows, strict=True):
        if isinstance(result, InvalidRows):
            reasons |= {first + row: why for row, why in result.reasons.items()}
        elif isinstance(result, BaseException):
            raise result
        first += count
    if reasons:
        raise InvalidRows(reasons)
    return np.concatenate([result for result in results if not isinstance(result, BaseException)])
