"""Waiting for an answer: hints make it quick, and losing one costs a look a little later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

import pytest

from quorate.errors import Unavailable
from services.coordinator.queue import waiters as module
from services.coordinator.queue.waiters import Waiters
from tests.support.servers import wait_until_async


class Table:
    """What SQL would hold, and how often it was looked into."""

    def __init__(self) -> None:
        self.ended: dict[str, str] = {}
        self.looks: list[set[str]] = []
        self.away = False

    async def read(self, ids: Collection[str]) -> dict[str, str]:
        self.looks.append(set(ids))
        if self.away:
            raise Unavailable("no database")
        return {key: self.ended[key] for key in ids if key in self.ended}


@asynccontextmanager
async def waiting(table: Table) -> AsyncIterator[Waiters[str]]:
    waiters: Waiters[str] = Waiters(table.read)
    task = asyncio.create_task(waiters.run())
    try:
        yield waiters
    finally:
        task.cancel()


async def test_what_has_ended_already_is_found_at_once() -> None:
    table = Table()
    table.ended["a"] = "done"
    async with waiting(table) as waiters:
        assert await waiters.wait("a") == "done"


async def test_a_hint_wakes_everybody_who_waits_for_it_with_one_look() -> None:
    table = Table()
    async with waiting(table) as waiters:
        waiters.note_begun(["a"])
        tasks = [asyncio.create_task(waiters.wait("a")) for _ in range(5)]
        await asyncio.sleep(0)
        assert table.looks == []
        table.ended["a"] = "done"
        waiters.hint(["a", "unknown"])
        assert await asyncio.gather(*tasks) == ["done"] * 5
        assert table.looks == [{"a"}]


async def test_a_hint_that_overtakes_the_submit_is_not_lost() -> None:
    table = Table()
    async with waiting(table) as waiters:
        table.ended["a"] = "done"
        waiters.hint(["a"])
        waiters.note_begun(["a"])
        assert await asyncio.wait_for(waiters.wait("a"), 1) == "done"


async def test_a_lost_hint_and_a_database_away_cost_a_later_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REREAD_SECONDS", 0.02)
    table = Table()
    async with waiting(table) as waiters:
        waiters.note_begun(["a"])
        task = asyncio.create_task(waiters.wait("a"))
        table.away = True
        await wait_until_async(lambda: table.looks, describe="a look without a hint")
        table.away, table.ended["a"] = False, "done"
        assert await asyncio.wait_for(task, 2) == "done"


async def test_who_stops_waiting_is_forgotten_and_a_drain_sends_the_others_home() -> None:
    table = Table()
    async with waiting(table) as waiters:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiters.wait("a"), 0.01)
        task = asyncio.create_task(waiters.wait("b"))
        await asyncio.sleep(0)
        waiters.hint_all()
        waiters.fail_all(Unavailable("stopping"))
        with pytest.raises(Unavailable):
            await task
        await asyncio.sleep(0)
        assert table.looks[-1] == {"b"}


async def test_hints_for_others_that_never_pause_do_not_put_off_who_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REREAD_SECONDS", 0.1)
    table = Table()
    async with waiting(table) as waiters:
        waiters.note_begun(["quiet"])
        tasks = [asyncio.create_task(waiters.wait(key)) for key in ("quiet", "hinted")]
        await asyncio.sleep(0)
        table.ended["quiet"] = "done"

        async def chatter() -> None:
            while True:
                waiters.hint(["hinted"])
                await asyncio.sleep(0.01)

        tasks.append(asyncio.create_task(chatter()))
        assert await asyncio.wait_for(tasks[0], 5) == "done"
        for task in tasks:
            task.cancel()
