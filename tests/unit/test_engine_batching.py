"""The coalescing queue: who travels together, who waits how long, and whose failure is whose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from quorate.ensemble import Columns, FloatArray
from quorate.errors import DeadlineExceeded, InvalidRows, MemberError, Overloaded, QuorateError, Unavailable
from services.coordinator.engine.batching import BACKLOG, OVERLAP, BatchLimits, Coalescer

LONG = BatchLimits(rows=8, bytes=1 << 20, wait_seconds=0.1)


class Transport:
    """A member in this process: doubles the numbers it is sent, when it is told to."""

    def __init__(
        self, held: bool = False, behaviour: Callable[[list[float]], QuorateError | None] | None = None
    ) -> None:
        self.batches: list[list[float]] = []
        self.timeouts: list[float] = []
        self.cancelled = 0
        self.started: asyncio.Queue[None] = asyncio.Queue()
        self.gate = asyncio.Event()
        self._behaviour = behaviour
        if not held:
            self.gate.set()

    async def __call__(self, columns: Columns, timeout_seconds: float) -> FloatArray:
        numbers = columns["x"].tolist()
        self.batches.append(numbers)
        self.timeouts.append(timeout_seconds)
        self.started.put_nowait(None)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._behaviour is not None and (error := self._behaviour(numbers)) is not None:
            raise error
        return 2 * columns["x"][:, None]


def coalescer(transport: Transport, limits: BatchLimits = LONG, lanes: int = 1) -> Coalescer:
    return Coalescer(transport, limits, lambda: lanes)


def soon(seconds: float = 60.0) -> float:
    return asyncio.get_running_loop().time() + seconds


def x(*numbers: float) -> Columns:
    return {"x": np.array(numbers, dtype=np.float64)}


async def turns(count: int = 5) -> None:
    """Let whatever can run, run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_lone_call_goes_out_at_once_and_callers_that_come_together_share_one() -> None:
    transport = Transport()
    queue = coalescer(transport)
    assert (await queue.submit(x(1), soon())).tolist() == [[2]]
    first, second = queue.submit(x(2, 3), soon()), queue.submit(x(4), soon())
    assert (await first).tolist() == [[4], [6]]
    assert (await second).tolist() == [[8]]
    assert transport.batches == [[1], [2, 3, 4]]


async def test_callers_gather_while_the_lane_is_busy_and_leave_together_when_it_is_free() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    futures = [queue.submit(x(1), soon())]
    await turns()
    for number in (2, 3, 4):
        futures.append(queue.submit(x(number), soon()))
        await turns()
    assert transport.batches == [[1]]
    transport.gate.set()
    assert [one.tolist() for one in await asyncio.gather(*futures)] == [[[2]], [[4]], [[6]], [[8]]]
    assert transport.batches == [[1], [2, 3, 4]]


async def test_two_lanes_take_two_calls_at_once() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport, lanes=2)
    futures = []
    for number in (1, 2, 3):
        futures.append(queue.submit(x(number), soon()))
        await turns()
    assert transport.batches == [[1], [2]]
    transport.gate.set()
    await asyncio.gather(*futures)


async def test_nobody_waits_longer_than_the_limit_behind_a_slow_call_but_calls_stay_bounded() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport, BatchLimits(rows=8, bytes=1 << 20, wait_seconds=0.001))
    futures = []
    async with asyncio.timeout(10):
        for number in range(OVERLAP):
            futures.append(queue.submit(x(number), soon()))
            await transport.started.get()
    futures += [queue.submit(x(number), soon()) for number in (70, 71)]
    await asyncio.sleep(0.01)  # ten times what a caller waits: nothing more may have gone out
    assert len(transport.batches) == OVERLAP
    transport.gate.set()
    await asyncio.gather(*futures)
    assert transport.batches[-1] == [70, 71]


async def test_a_full_batch_does_not_wait_for_the_lane() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport, BatchLimits(rows=3, bytes=1 << 20, wait_seconds=0.1))
    futures = [queue.submit(x(0), soon())]
    await turns()
    futures += [queue.submit(x(number), soon()) for number in (1, 2, 3, 4)]
    await turns()
    assert transport.batches == [[0], [1, 2, 3]]
    transport.gate.set()
    await asyncio.gather(*futures)
    assert transport.batches[-1] == [4]


async def test_a_caller_above_the_limits_is_cut_and_gets_its_rows_in_order() -> None:
    transport = Transport()
    numbers = [float(number) for number in range(20)]
    outputs = await coalescer(transport).submit(x(*numbers), soon())
    assert outputs[:, 0].tolist() == [2 * number for number in numbers]
    assert [len(batch) for batch in transport.batches] == [8, 8, 4]


async def test_a_batch_stays_within_its_bytes() -> None:
    transport = Transport()
    queue = coalescer(transport, BatchLimits(rows=100, bytes=24, wait_seconds=0.1))
    await asyncio.gather(*(queue.submit(x(number, number), soon()) for number in range(3)))
    assert max(len(batch) for batch in transport.batches) <= 3


async def test_callers_whose_tensors_differ_never_share_a_call() -> None:
    transport = Transport()
    queue = coalescer(transport)
    futures = [queue.submit(columns, soon()) for columns in (x(1), {"x": np.array([2], dtype=np.int64)}, x(3))]
    assert [(await future).tolist() for future in futures] == [[[2]], [[4]], [[6]]]
    assert sorted(transport.batches) == [[1, 3], [2]]


async def test_a_bad_row_fails_its_own_caller_alone_numbered_as_that_caller_sent_it() -> None:
    def refuses_negatives(numbers: list[float]) -> QuorateError | None:
        bad = {row: f"{number} is negative" for row, number in enumerate(numbers) if number < 0}
        return InvalidRows(bad) if bad else None

    transport = Transport(behaviour=refuses_negatives)
    queue = coalescer(transport)
    good, bad, fine = (queue.submit(columns, soon()) for columns in (x(1, 2), x(3, -4), x(5)))
    assert (await good).tolist() == [[2], [4]]
    assert (await fine).tolist() == [[10]]
    with pytest.raises(InvalidRows) as refused:
        await bad
    assert refused.value.reasons == {1: "-4.0 is negative"}
    assert transport.batches == [[1, 2, 3, -4, 5], [1, 2, 5]]


async def test_bad_rows_of_a_caller_that_was_cut_keep_their_own_numbers() -> None:
    def refuses(numbers: list[float]) -> QuorateError | None:
        bad = {row: "bad" for row, number in enumerate(numbers) if number in (3, 17)}
        return InvalidRows(bad) if bad else None

    with pytest.raises(InvalidRows) as refused:
        await coalescer(Transport(behaviour=refuses)).submit(x(*range(20)), soon())
    assert set(refused.value.reasons) == {3, 17}


@pytest.mark.parametrize("poison", [{3}, {0, 7}])
async def test_a_caller_that_makes_the_model_fail_is_found_and_the_others_are_served(poison: set[int]) -> None:
    def fails(numbers: list[float]) -> QuorateError | None:
        return MemberError("the model failed") if poison & set(map(int, numbers)) else None

    queue = coalescer(Transport(behaviour=fails))
    results = await asyncio.gather(*(queue.submit(x(n), soon()) for n in range(8)), return_exceptions=True)
    for number, result in enumerate(results):
        assert isinstance(result, MemberError if number in poison else np.ndarray)


async def test_a_member_that_always_fails_costs_fewer_calls_than_its_callers() -> None:
    transport = Transport(behaviour=lambda _: MemberError("broken"))
    queue = coalescer(transport, BatchLimits(rows=64))
    results = await asyncio.gather(*(queue.submit(x(n), soon()) for n in range(64)), return_exceptions=True)
    assert all(isinstance(result, MemberError) for result in results)
    assert len(transport.batches) < 64


async def test_an_unreachable_member_fails_everybody_at_once_without_bisection() -> None:
    transport = Transport(behaviour=lambda _: Unavailable("gone"))
    queue = coalescer(transport)
    results = await asyncio.gather(*(queue.submit(x(n), soon()) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable] * 3
    assert len(transport.batches) == 1


async def test_an_error_nobody_foresaw_still_reaches_every_caller() -> None:
    async def breaks(columns: Columns, timeout_seconds: float) -> FloatArray:
        raise ZeroDivisionError

    queue = Coalescer(breaks, LONG, lambda: 1)
    results = await asyncio.gather(*(queue.submit(x(n), soon()) for n in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [ZeroDivisionError] * 3


async def test_one_caller_that_gives_up_leaves_its_batch_mates_answered() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    futures = [queue.submit(x(number), soon()) for number in (1, 2, 3)]
    await turns()
    futures[1].cancel()
    transport.gate.set()
    assert (await futures[0]).tolist() == [[2]]
    assert (await futures[2]).tolist() == [[6]]
    assert transport.cancelled == 0


async def test_a_call_is_given_up_when_all_of_its_callers_have() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    futures = [queue.submit(x(number), soon()) for number in (1, 2)]
    await turns()
    for future in futures:
        future.cancel()
    await turns()
    assert transport.cancelled == 1
    assert queue.idle


async def test_a_caller_that_gave_up_while_waiting_is_never_sent() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    first = queue.submit(x(1), soon())
    await turns()
    second, third = queue.submit(x(2), soon()), queue.submit(x(3), soon())
    second.cancel()
    transport.gate.set()
    await asyncio.gather(first, third)
    assert transport.batches == [[1], [3]]


async def test_a_batch_has_the_time_of_its_latest_caller_and_none_left_is_a_deadline() -> None:
    transport = Transport()
    queue = coalescer(transport)
    await asyncio.gather(queue.submit(x(1), soon(1)), queue.submit(x(2), soon(50)))
    assert 40 < transport.timeouts[0] <= 50
    with pytest.raises(DeadlineExceeded):
        await queue.submit(x(3), soon(-1))


async def test_a_backlog_that_is_too_long_refuses_further_callers() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    futures = [queue.submit(x(*range(8)), soon()) for _ in range(BACKLOG)]
    with pytest.raises(Overloaded):
        await queue.submit(x(1), soon())
    transport.gate.set()
    await asyncio.gather(*futures)
    assert (await queue.submit(x(1), soon())).tolist() == [[2]]


async def test_closing_tells_everybody_who_waits() -> None:
    transport = Transport(held=True)
    queue = coalescer(transport)
    out = queue.submit(x(1), soon())
    await turns()
    waiting = queue.submit(x(2), soon())
    await queue.close()
    for future in (out, waiting):
        with pytest.raises(Unavailable):
            await future
