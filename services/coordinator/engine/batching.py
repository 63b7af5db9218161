"""Joins calls to one member that come in together, so that gRPC's cost is paid once a batch.

A call goes out at once while the member has a free lane (one a replica). When all are busy, callers wait for the
next lane, or for `wait_seconds` at most: nothing is added at low load, and batches grow with the load.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np

from quorate.ensemble import Columns, FloatArray
from quorate.errors import DeadlineExceeded, InvalidInput, InvalidRows, MemberError, Overloaded, Unavailable
from services.coordinator.engine.columns import Signature, byte_size, cut, join, row_count, signature

OVERLAP = 4
"""Calls a lane, at most, when the earlier ones last longer than callers wait."""
BACKLOG = 64
"""Full batches that may wait for one member before further callers are refused."""

Send = Callable[[Columns, float], Awaitable[FloatArray]]


@dataclass(frozen=True)
class BatchLimits:
    """How large a batch may be, and how long a caller waits for others."""

    rows: int = 1024
    bytes: int = 8 * 2**20
    wait_seconds: float = 0.002


@dataclass(eq=False, slots=True)
class Part:
    """Rows of one caller that travel together, and where their outputs are delivered."""

    columns: Columns
    rows: int
    size: int
    signature: Signature
    deadline: float
    since: float
    future: asyncio.Future[FloatArray]

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Coalescer:
    """One member version's queue, shared by whoever asks it. Belongs to one event loop."""

    def __init__(self, send: Send, limits: BatchLimits, lanes: Callable[[], int]) -> None:
        self._send = send
        self._limits = limits
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Part] = deque()
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._calls: set[asyncio.Task[None]] = set()
        self._pump_due = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nobody waits and no call is out."""
        return not self._waiting and not self._calls

    def submit(self, columns: Columns, deadline: float) -> asyncio.Future[FloatArray]:
        """Return the future outputs [N, C] of these rows; cancel it to give them up.

        `deadline` is in the loop's time. The future raises what the member's client does, with InvalidRows naming
        this caller's own rows; Overloaded where too much waits already.
        """
        if self._waiting_rows >= BACKLOG * self._limits.rows:
            refused = self._loop.create_future()
            refused.set_exception(Overloaded(f"{self._waiting_rows} rows wait for this member already; try again", 1.0))
            return refused
        batches = cut(columns, self._limits.rows, self._limits.bytes)
        futures = [self._enqueue(batch, deadline) for batch in batches]
        if len(futures) == 1:
            return futures[0]
        return asyncio.ensure_future(_joined(futures, [row_count(batch) for batch in batches]))

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

    def _enqueue(self, columns: Columns, deadline: float) -> asyncio.Future[FloatArray]:
        part = Part(
            columns,
            row_count(columns),
            byte_size(columns),
            signature(columns),
            deadline,
            self._loop.time(),
            self._loop.create_future(),
        )
        self._waiting.append(part)
        self._waiting_rows += part.rows
        self._waiting_bytes += part.size
        if not self._pump_due:
            # Not before the loop has read what else came in: those that arrive together travel together.
            self._pump_due = True
            self._loop.call_soon(self._pump)
        return part.future

    def _pump(self) -> None:
        """Start as many calls as there may be now, and set the timer for those that still wait."""
        self._pump_due = False
        while self._waiting and self._may_start():
            self._start(self._next_batch())
        if self._waiting and self._timer is None and len(self._calls) < max(self._lanes(), 1) * OVERLAP:
            due = self._waiting[0].since + self._limits.wait_seconds
            self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._pump()

    def _may_start(self) -> bool:
        lanes = max(self._lanes(), 1)
        if len(self._calls) < lanes:
            return True
        full = self._waiting_rows >= self._limits.rows or self._waiting_bytes >= self._limits.bytes
        overdue = self._loop.time() >= self._waiting[0].since + self._limits.wait_seconds
        return (full or overdue) and len(self._calls) < lanes * OVERLAP

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

    def _ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._pump()

    async def _run(self, batch: list[Part]) -> None:
        try:
            # Enough to single out two callers that spoil a batch; past it the member counts as failing.
            await self._ask(batch, _Budget(4 * math.ceil(math.log2(len(batch))) + 2 if len(batch) > 1 else 0))
        except Exception as error:  # nobody may be left waiting, whatever went wrong
            for part in batch:
                part.fail(error)
        finally:
            for part in batch:
                part.fail(Unavailable("the call was given up; ask again"))

    async def _ask(self, parts: list[Part], budget: _Budget) -> None:
        """Ask for the parts whose callers still wait; look for the one to blame where the batch is refused."""
        parts = [part for part in parts if not part.future.done()]
        if not parts:
            return
        timeout_seconds = max(part.deadline for part in parts) - self._loop.time()
        try:
            if timeout_seconds <= 0:
                raise DeadlineExceeded("time ran out before the member was asked")
            outputs = await self._send(join([part.columns for part in parts]), timeout_seconds)
        except InvalidRows as error:
            await self._ask_without_bad_rows(parts, error, budget)
        except (InvalidInput, MemberError) as error:
            await self._ask_in_halves(parts, error, budget)
        else:
            _deliver(parts, outputs)

    async def _ask_without_bad_rows(self, parts: list[Part], error: InvalidRows, budget: _Budget) -> None:
        """Tell each caller of its own bad rows, and ask again for those that have none."""
        clean = _blamed(parts, error)
        if len(clean) == len(parts):
            raise MemberError(f"the member refused rows that are not in the batch: {error}") from error
        if clean and not budget.spend(1):
            raise MemberError(f"too many callers had bad rows at once: {error}") from error
        await self._ask(clean, budget)

    async def _ask_in_halves(self, parts: list[Part], error: Exception, budget: _Budget) -> None:
        """Split the batch, so that the caller it fails for is found and the others are served."""
        if len(parts) == 1 or not budget.spend(2):
            for part in parts:
                part.fail(error)
            return
        middle = len(parts) // 2
        await asyncio.gather(*(self._settled(half, budget) for half in (parts[:middle], parts[middle:])))

    async def _settled(self, parts: list[Part], budget: _Budget) -> None:
        """Ask for half a batch; its failure is its own and leaves the other half alone."""
        try:
            await self._ask(parts, budget)
        except Exception as error:  # handed to the callers
            for part in parts:
                part.fail(error)


@dataclass(slots=True)
class _Budget:
    """Calls that one batch may still cost beyond its first."""

    calls: int

    def spend(self, calls: int) -> bool:
        self.calls -= calls
        return self.calls >= 0


def _deliver(parts: list[Part], outputs: FloatArray) -> None:
    first = 0
    for part in parts:
        if not part.future.done():
            part.future.set_result(outputs[first : first + part.rows])
        first += part.rows


def _blamed(parts: list[Part], error: InvalidRows) -> list[Part]:
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


async def _joined(futures: list[asyncio.Future[FloatArray]], rows: list[int]) -> FloatArray:
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
