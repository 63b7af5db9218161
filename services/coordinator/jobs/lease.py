"""Work under a lease that is prolonged only while the work moves: what hangs is lost, and taken up by another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from quorate.errors import Conflict, TryAgain

T = TypeVar("T")


class LeaseLost(Conflict):
    """Somebody else has claimed it, or it was cancelled: what was done is of no use."""


@dataclass
class Progress:
    """How much of a piece of work is done; the worker raises it, in a thread or not."""

    done: int = 0


async def under_lease(
    work: Coroutine[Any, Any, T], progress: Progress, beat: Callable[[int], Awaitable[bool]], every_seconds: float
) -> T:
    """Return what `work` returns, calling `beat` whenever its progress has moved; LeaseLost when that says False."""
    working = asyncio.ensure_future(work)
    beating = asyncio.ensure_future(_beat(progress, beat, every_seconds))
    try:
        await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise LeaseLost("the lease is lost") from beating.exception()
        return working.result()
    finally:
        for task in (working, beating):
            task.cancel()
        await asyncio.gather(working, beating, return_exceptions=True)


async def _beat(progress: Progress, beat: Callable[[int], Awaitable[bool]], every_seconds: float) -> None:
    told = 0
    while True:
        await asyncio.sleep(every_seconds)
        if progress.done > told:
            told = progress.done
            try:
                if not await beat(told):
                    return
            except TryAgain:  # SQL is busy or away for a moment; the lease may well hold until the next beat
                told = -1
