"""Joins calls to one member that come in together, so that gRPC's cost is paid once a batch.

A call goes out at once while the member has a free lane (one a replica) and nobody else is to be expected.
Otherwise callers wait for company or for the lane, for a bounded time: nothing is added at low load, and
batches grow with the load.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from quorate.ensemble import FloatArray
from quorate.errors import Overloaded, Unavailable
from services.coordinator.engine.batch_call import BatchCall, Send
from services.coordinator.engine.columns import Batch, byte_size, cut, row_count, signature
from services.coordinator.engine.pacing import Pace
from services.coordinator.engine.parts import Part, joined

OVERLAP = 4
"""Calls a lane, at most, when the earlier ones last longer than callers wait."""
BACKLOG = 64
"""Full batches that may wait for one member before further callers are refused."""
NOW, NEVER = float("-inf"), float("inf")


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may be, and how long a caller is held for others."""

    rows: int = 1024
    bytes: int = 8 * 2**20
    wait_seconds: float = 0.002


class Coalescer:
    """One member version's queue, shared by whoever asks it. Belongs to one event loop."""

    def __init__(self, send: Send, limits: BatchLimits, lanes: Callable[[], int]) -> None:
        self._send = send
        self._limits = limits
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._pace = Pace(limits.wait_seconds)
        self._waiting: deque[Part] = deque()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._callers_out = 0
        self._pump_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits and no call is out."""
        return not self._waiting and not self._calls

    def submit(self, batch: Batch, deadline: float) -> asyncio.Future[FloatArray]:
        """Return the future outputs [N, C] of these rows; cancel it to give them up.

        `deadline` is in the loop's time. The future raises what the member's client does, with InvalidRows naming
        this caller's own rows; Overloaded where too much waits already.
        """
        if self._waiting_rows >= BACKLOG * self._limits.rows:
            refused = self._loop.create_future()
            refused.set_exception(Overloaded(f"{self._waiting_rows} rows wait for this member already; try again", 1.0))
            return refused
        rows, size = row_count(batch), byte_size(batch)
        if rows == 1 or (rows <= self._limits.rows and size <= self._limits.bytes):
            return self._enqueue(batch, rows, size, deadline)
        batches = cut(batch, self._limits.rows, self._limits.bytes)
        counts = [row_count(run) for run in batches]
        futures = [
            self._enqueue(run, count, byte_size(run), deadline) for run, count in zip(batches, counts, strict=True)
        ]
        return asyncio.ensure_future(joined(futures, counts))

    async def close(self) -> None:
        """Fail whoever waits and end the calls that are out."""
        if self._timer is not None:
            self._timer.cancel()
        for part in self._waiting:
            part.fail(Unavailable("the coordinator is stopping; ask again"))
        self._waiting.clear()
        calls = tuple(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _enqueue(self, batch: Batch, rows: int, size: int, deadline: float) -> asyncio.Future[FloatArray]:
        future: asyncio.Future[FloatArray] = self._loop.create_future()
        self._waiting.append(Part(batch, rows, size, signature(batch), deadline, self._loop.time(), future))
        self._waiting_rows += rows
        self._waiting_bytes += size
        if not self._pump_due:
            # Not before the loop has read what else came in: those that arrive together travel together.
            self._pump_due = True
            self._loop.call_soon(self._pump)
        return future

    def _pump(self) -> None:
        """Start the calls that are due, and set the timer for those that still wait."""
        self._pump_due = False
        while self._waiting and (due := self._due_at()) <= self._loop.time():
            self._start(self._next_batch())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and due < NEVER:
            self._timer = self._loop.call_at(due, self._pump)

    def _due_at(self) -> float:
        """When the oldest caller's batch must go out, in the loop's time, if nothing else happens."""
        lanes = max(self._lanes(), 1)
        if len(self._calls) >= lanes * OVERLAP:
            return NEVER
        if self._waiting_rows >= self._limits.rows or self._waiting_bytes >= self._limits.bytes:
            return NOW
        if len(self._calls) < lanes:
            hold_seconds = self._pace.hold_seconds(len(self._waiting) + self._callers_out)
        else:
            hold_seconds = self._pace.lane_seconds()
        return self._waiting[0].since + hold_seconds if hold_seconds else NOW

    def _next_batch(self) -> list[Part]:
        """Take the oldest caller and those behind it whose tensors can be joined with its own, within the limits."""
        batch: list[Part] = []
        others: list[Part] = []
        rows = size = 0
        while self._waiting:
            part = self._waiting.popleft()
            if part.future.done():
                self._leave(part)
                continue
            if batch and (rows + part.rows > self._limits.rows or size + part.size > self._limits.bytes):
                others.append(part)
                break
            if batch and part.signature != batch[0].signature:
                others.append(part)
                continue
            self._leave(part)
            batch.append(part)
            rows += part.rows
            size += part.size
        self._waiting.extendleft(reversed(others))
        return batch

    def _leave(self, part: Part) -> None:
        self._waiting_rows -= part.rows
        self._waiting_bytes -= part.size

    def _start(self, batch: list[Part]) -> None:
        if not batch:
            return
        self._callers_out += len(batch)
        self._pace.started(len(self._waiting) + self._callers_out)
        call = self._loop.create_task(self._run(batch))
        self._calls.add(call)
        call.add_done_callback(self._ended)
        interested = len(batch)

        def left(future: asyncio.Future[FloatArray]) -> None:
            nonlocal interested
            interested -= 1
            if not interested and future.cancelled():
                call.cancel()

        for part in batch:
            part.future.add_done_callback(left)

    async def _run(self, batch: list[Part]) -> None:
        started = self._loop.time()
        try:
            await BatchCall(self._send, batch).run()
        finally:
            self._callers_out -= len(batch)
            self._pace.ended(self._loop.time() - started)
            for part in batch:
                part.fail(Unavailable("the call was given up; ask again"))

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._pump()
