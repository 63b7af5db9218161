"""Works through what jobs there are: a planner, a finaliser and a few chunks side by side, woken by doorbells."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.coordinator.jobs.steps import JobSteps

log = structlog.get_logger(__name__)

CHUNKS_IN_FLIGHT = 2
"""While one chunk is read or written, another one's rows keep the members busy."""

Step = Callable[[], Awaitable[bool]]


class JobDrain:
    """Made and used on one loop; `wake` when there may be work, `run` until cancelled."""

    def __init__(self, steps: JobSteps) -> None:
        self._steps: list[Step] = [steps.plan_one, steps.finalise_one, *[steps.score_one] * CHUNKS_IN_FLIGHT]
        self._wanted = [asyncio.Event() for _ in self._steps]

    def wake(self) -> None:
        """Look for work of every kind, soon."""
        for event in self._wanted:
            event.set()

    async def run(self) -> None:
        """Take work whenever woken; cancelled, it gives claimed work back and ends."""
        async with asyncio.TaskGroup() as group:
            for step, wanted in zip(self._steps, self._wanted, strict=True):
                group.create_task(self._work(step, wanted))

    async def _work(self, step: Step, wanted: asyncio.Event) -> None:
        while True:
            await wanted.wait()
            wanted.clear()
            try:
                while await step():
                    self.wake()  # a plan makes chunks, and the last chunk makes something to finalise
            except Exception as error:  # SQL is away, most likely: the reconciler calls again
                log.warning("no work could be taken", error=f"{type(error).__name__}: {error}")
