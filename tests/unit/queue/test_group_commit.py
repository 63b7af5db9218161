"""Group commit: a lone item waits for nobody, and what comes meanwhile goes together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.coordinator.queue.group_commit import GroupCommit


class Writes:
    """A write that can be held up, and remembers what it was given."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        await self.open.wait()
        if 13 in items:
            raise ValueError("unlucky")
        return [item * 10 for item in items]


async def test_a_lone_item_is_written_at_once_and_alone() -> None:
    writes = Writes()
    commit = GroupCommit(writes)
    assert await commit.add(1) == 10
    assert await commit.add(2) == 20
    assert writes.batches == [[1], [2]]


async def test_items_that_come_during_a_write_are_written_together_up_to_the_limit() -> None:
    writes = Writes()
    writes.open.clear()
    commit = GroupCommit(writes, limit=3)
    adding = [asyncio.create_task(commit.add(item)) for item in range(6)]
    await asyncio.sleep(0)
    writes.open.set()
    assert await asyncio.gather(*adding) == [0, 10, 20, 30, 40, 50]
    assert [len(batch) for batch in writes.batches] == [3, 3]


async def test_an_error_reaches_everybody_in_its_batch_and_nobody_else() -> None:
    writes = Writes()
    writes.open.clear()
    commit = GroupCommit(writes, limit=2)
    adding = [asyncio.create_task(commit.add(item)) for item in (12, 13, 14)]
    await asyncio.sleep(0)
    writes.open.set()
    results = await asyncio.gather(*adding, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError, ValueError, int]


async def test_who_stops_waiting_does_not_disturb_the_others() -> None:
    writes = Writes()
    writes.open.clear()
    commit = GroupCommit(writes)
    leaving, staying = asyncio.create_task(commit.add(1)), asyncio.create_task(commit.add(2))
    await asyncio.sleep(0)
    leaving.cancel()
    writes.open.set()
    assert await staying == 20
    with pytest.raises(asyncio.CancelledError):
        await leaving
