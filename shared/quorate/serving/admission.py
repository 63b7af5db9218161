"""Bounded concurrency with a bounded queue, first come first served."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from quorate.errors import Overloaded

T = TypeVar("T")
INLINE_SECONDS = 0.001
"""A batch expected to be shorter than this runs on the event loop: handing it to a thread would cost more."""


class Admission:
    """Places for batches: `max_concurrency` run, `max_queue` wait, the next is refused. Belongs to one event loop."""

    def __init__(self, max_concurrency: int, max_queue: int) -> None:
        self.running = 0
        self._max_concurrency = max_concurrency
        self._max_queue = max_queue
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._batch_seconds = 0.01

    @property
    def waiting(self) -> int:
        """Batches that have no place yet."""
        return len(self._waiting)

    async def enter(self) -> None:
        """Wait for a place. Overloaded, with a hint when to come back, where the queue is full.

        A caller that is cancelled, by its deadline or by hanging up, leaves the queue at once.
        """
        if self.running < self._max_concurrency and not self._waiting:
            self.running += 1
            return
        if len(self._waiting) >= self._max_queue:
            seconds = self._batch_seconds * (1 + len(self._waiting)) / self._max_concurrency
            raise Overloaded(
                f"{self.running} batches run and {len(self._waiting)} wait, which is this server's limit; "
                f"try again in {seconds:.2f} s",
                seconds,
            )
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(0.0)  # the place was handed over in the same moment
            else:
                self._waiting.remove(place)
            raise

    def leave(self, seconds: float) -> None:
        """Give the place back after a batch that took `seconds`; whoever waits longest gets it."""
        self._batch_seconds += 0.1 * (seconds - self._batch_seconds)
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.running -= 1


class Runner:
    """Runs batches within the admission's places: short ones on the loop, others on threads."""

    def __init__(self, max_concurrency: int, max_queue: int) -> None:
        self.admission = Admission(max_concurrency, max_queue)
        self._threads = ThreadPoolExecutor(max_concurrency, thread_name_prefix="inference")

    async def run(self, batch: Callable[[], T], expected_seconds: float) -> T:
        """Return what `batch` returns. A caller that hangs up frees its place once the batch has ended."""
        await self.admission.enter()
        started = time.perf_counter()
        if expected_seconds < INLINE_SECONDS and self.admission.running == 1:
            try:
                return batch()
            finally:
                self.admission.leave(time.perf_counter() - started)
        running = asyncio.get_running_loop().run_in_executor(self._threads, batch)
        running.add_done_callback(lambda done: self._ended(done, started))
        return await asyncio.shield(running)

    def close(self) -> None:
        """Let the threads end; batches that have not started never do."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _ended(self, done: asyncio.Future[T], started: float) -> None:
        self.admission.leave(time.perf_counter() - started)
        if not done.cancelled():
            done.exception()  # seen: a caller that hung up is not there to ask for it
