"""Server streams of something in SQL: sent whenever it has moved, until it has ended or the server stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from quorate.errors import Unavailable

T = TypeVar("T")
PERIOD_SECONDS = 0.25


class Watches:
    """The streams of one server; `drain` ends them all, so that none holds its stop up."""

    def __init__(self) -> None:
        self._draining = asyncio.Event()

    def drain(self) -> None:
        self._draining.set()

    async def follow(self, read: Callable[[], Awaitable[T]], ended: Callable[[T], bool]) -> AsyncIterator[T]:
        """Yield what `read` gives each time it differs from before, and last when it has `ended`."""
        before: T | None = None
        while True:
            now = await read()
            if now != before:
                yield now
            if ended(now):
                return
            before = now
            try:
                await asyncio.wait_for(self._draining.wait(), PERIOD_SECONDS)
            except TimeoutError:
                continue
            raise Unavailable("the gateway is stopping; watch again")
