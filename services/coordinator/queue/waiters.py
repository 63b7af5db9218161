"""Who waits for which request's answer. A hint from Redis makes it quick; SQL, read again and again, makes it sure."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")
REREAD_SECONDS = 2.0
MOST_REMEMBERED = 10_000


class Waiters(Generic[T]):
    """Futures by id, settled by whatever `read` finds ended. Used on one loop; `run` is its one background task.

    `read` takes ids and gives those that have ended, by id. Many waiters cost one read.
    """

    def __init__(self, read: Callable[[Collection[str]], Awaitable[dict[str, T]]]) -> None:
        self._read = read
        self._waiting: dict[str, list[asyncio.Future[T]]] = {}
        self._look_up: set[str] = set()
        self._wanted = asyncio.Event()
        self._under_way: OrderedDict[str, None] = OrderedDict()
        self._heard: OrderedDict[str, None] = OrderedDict()

    def note_begun(self, ids: Iterable[str]) -> None:
        """These are under way: a hint will tell of their end, so that a first look would be wasted on them."""
        for key in ids:
            if key not in self._heard:  # a hint may overtake this call
                _remember(self._under_way, key)

    async def wait(self, key: str) -> T:
        """Return what the id ended with; cancel it to stop waiting."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if key not in self._under_way:
            # After the future stands: an end between a look and a hint cannot be missed.
            self.hint([key])
        try:
            return await future
        finally:
            self._forget(key, future)

    def hint(self, ids: Iterable[str]) -> None:
        """Look these ids up soon, if anybody waits for them."""
        wanted = set()
        for key in ids:
            self._under_way.pop(key, None)
            _remember(self._heard, key)
            if key in self._waiting:
                wanted.add(key)
        if wanted:
            self._look_up |= wanted
            self._wanted.set()

    def hint_all(self) -> None:
        """Look everything up: hints may have been missed."""
        self._under_way.clear()
        self.hint(tuple(self._waiting))

    def fail_all(self, error: Exception) -> None:
        """Tell everybody who waits at this moment to stop."""
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    future.set_exception(error)

    async def run(self) -> None:
        """Look up what is hinted at, and everything every few seconds, until cancelled."""
        clock = asyncio.get_running_loop().time
        reread_at = clock() + REREAD_SECONDS
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), max(0.0, reread_at - clock()))
            if clock() >= reread_at:  # by the clock alone: hints that never pause must not put it off
                self._look_up |= self._waiting.keys()
                reread_at = clock() + REREAD_SECONDS
            self._wanted.clear()
            ids, self._look_up = self._look_up, set()
            if ids:
                await self._settle(ids)

    async def _settle(self, ids: Collection[str]) -> None:
        try:
            ended = await self._read(ids)
        except Exception as error:  # SQL may be away for a while; the waiters' own deadlines stand
            log.warning("answers cannot be read; trying again", error=str(error))
            return
        for key, value in ended.items():
            for future in self._waiting.pop(key, []):
                if not future.done():
                    future.set_result(value)

    def _forget(self, key: str, future: asyncio.Future[T]) -> None:
        futures = self._waiting.get(key, [])
        if future in futures:
            futures.remove(future)
        if not futures:
            self._waiting.pop(key, None)


def _remember(keys: OrderedDict[str, None], key: str) -> None:
    keys[key] = None
    if len(keys) > MOST_REMEMBERED:
        keys.popitem(last=False)
