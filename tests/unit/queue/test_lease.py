"""A lease is prolonged while the work moves, and work whose lease is lost is stopped."""

from __future__ import annotations

import asyncio

import pytest

from quorate.errors import Unavailable
from services.coordinator.jobs.lease import LeaseLost, Progress, under_lease


async def test_beats_come_only_when_the_work_has_moved() -> None:
    told: list[int] = []
    progress = Progress()

    async def beat(done: int) -> bool:
        told.append(done)
        return True

    async def work() -> str:
        for done in (3, 3, 3, 8):
            progress.done = done
            await asyncio.sleep(0.03)
        return "finished"

    assert await under_lease(work(), progress, beat, 0.005) == "finished"
    assert told == [3, 8]


async def test_work_is_stopped_when_the_lease_is_lost() -> None:
    progress, stopped = Progress(), asyncio.Event()

    async def beat(done: int) -> bool:
        return False

    async def work() -> None:
        progress.done = 1
        try:
            await asyncio.sleep(60)
        finally:
            stopped.set()

    with pytest.raises(LeaseLost):
        await under_lease(work(), progress, beat, 0.005)
    assert stopped.is_set()


async def test_a_beat_that_cannot_be_sent_is_sent_again() -> None:
    beats, sent = 0, asyncio.Event()
    progress = Progress()

    async def beat(done: int) -> bool:
        nonlocal beats
        beats += 1
        if beats == 1:
            raise Unavailable("busy")
        sent.set()
        return True

    async def work() -> int:
        progress.done = 1
        await sent.wait()
        return beats

    assert await asyncio.wait_for(under_lease(work(), progress, beat, 0.005), 5) == 2


async def test_the_works_own_error_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    async def beat(done: int) -> bool:
        return True

    with pytest.raises(ValueError, match="broken"):
        await under_lease(work(), Progress(), beat, 1.0)
