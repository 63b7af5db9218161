"""Finds what no doorbell told of: expired leases, rings that were lost, and time to live that is over."""

from __future__ import annotations

import asyncio

import structlog

from quorate.db import JobStore, RequestStore
from services.coordinator.queue.bells import Bells
from services.coordinator.queue.threads import Threads

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
EXPIRE_PERIODS = 10


class Reconciler:
    """Looks into SQL every second, and wakes this process's drains. Every pool has one; the tuner's looks by itself."""

    def __init__(self, requests: RequestStore, jobs: JobStore, bells: Bells, sql: Threads) -> None:
        self._requests, self._jobs, self._bells, self._sql = requests, jobs, bells, sql

    async def run(self) -> None:
        """Look until cancelled; while SQL is away, keep trying."""
        period = 0
        while True:
            try:
                await self.look()
                if period % EXPIRE_PERIODS == 0:
                    await self._sql.run(self._requests.expire)
            except Exception as error:
                log.warning("SQL cannot be looked into", error=str(error))
            period += 1
            await asyncio.sleep(PERIOD_SECONDS)

    async def look(self) -> None:
        """Wake whoever has something to claim at this moment."""
        requests = await self._sql.run(self._requests.due)
        jobs = await self._sql.run(self._jobs.due)
        if requests:
            self._bells.requests()
        if jobs.total:
            self._bells.jobs()
