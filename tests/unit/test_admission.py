"""A worker's places: bounded, first come first served, and free again whatever becomes of the caller."""

from __future__ import annotations

import asyncio
import threading

import pytest

from quorate.errors import Overloaded
from quorate.serving.admission import Admission, Runner


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_queue_is_served_in_order_and_refuses_past_its_limit() -> None:
    admission = Admission(max_concurrency=1, max_queue=2)
    served: list[int] = []

    async def batch(number: int) -> None:
        await admission.enter()
        served.append(number)

    await batch(0)
    waiting = [asyncio.ensure_future(batch(number)) for number in (1, 2)]
    await settle()
    with pytest.raises(Overloaded, match="try again") as refused:
        await admission.enter()
    assert refused.value.retry_after_seconds
    for _ in range(3):
        admission.leave(0.01)
        await settle()
    assert served == [0, 1, 2]
    assert (admission.running, admission.waiting) == (0, 0)
    await asyncio.gather(*waiting)


async def test_a_cancelled_caller_leaves_the_queue() -> None:
    admission = Admission(max_concurrency=1, max_queue=1)
    await admission.enter()
    waiting = asyncio.ensure_future(admission.enter())
    await settle()
    waiting.cancel()
    await settle()
    assert admission.waiting == 0
    admission.leave(0.0)
    assert admission.running == 0


async def test_a_place_handed_to_a_caller_that_hangs_up_in_the_same_moment_is_not_lost() -> None:
    admission = Admission(max_concurrency=1, max_queue=1)
    await admission.enter()
    waiting = asyncio.ensure_future(admission.enter())
    await settle()
    admission.leave(0.0)
    waiting.cancel()
    await settle()
    assert admission.running == 0


async def test_a_running_batch_keeps_its_place_until_it_ends_though_its_caller_is_gone() -> None:
    runner = Runner(max_concurrency=1, max_queue=4)
    release = threading.Event()
    try:
        call = asyncio.ensure_future(runner.run(lambda: release.wait(10), expected_seconds=1.0))
        await settle()
        call.cancel()
        await settle()
        assert runner.admission.running == 1
        release.set()
        assert await asyncio.wait_for(runner.run(lambda: "next", expected_seconds=1.0), 10) == "next"
    finally:
        release.set()
        runner.close()


async def test_short_batches_run_on_the_loop_and_long_ones_on_threads() -> None:
    runner = Runner(max_concurrency=2, max_queue=4)
    try:
        assert await runner.run(threading.current_thread, expected_seconds=0.0) is threading.current_thread()
        assert await runner.run(threading.current_thread, expected_seconds=1.0) is not threading.current_thread()
    finally:
        runner.close()


async def test_a_failing_batch_gives_its_place_back() -> None:
    runner = Runner(max_concurrency=1, max_queue=0)
    try:
        for seconds in (0.0, 1.0):
            with pytest.raises(ZeroDivisionError):
                await runner.run(lambda: 1 / 0, expected_seconds=seconds)
            await settle()
            assert runner.admission.running == 0
    finally:
        runner.close()
