"""Finds what no doorbell told of: expired leases, rings that were lost, and time to live that is over."""

from __future__ import annotations

import asyncio

import structlog

from quorate.db import FitStore, JobStore, RequestStore
from services.coordinator.queue.bells import Bells
from services.coordinator.queue.celery_app import FITS_TASK
from services.coordinator.queue.doorbell import Doorbell
from services.coordinator.queue.threads import Threads

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 1.0
EXPIRE_PERIODS = 10


class Reconciler:
    """Looks into SQL every second; wakes this process's drains, and rings for the tuner's work."""

    def __init__(
        self,
        requests: RequestStore,
        jobs: JobStore,
        fits: FitStore,
        bells: Bells,
        doorbell: Doorbell,
        sql: Threads,
    ) -> None:
        self._requests, self._jobs, self._fits = requests, jobs, fits
        self._bells, self._doorbell, self._sql = bells, doorbell, sql

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
        fits = await self._sql.run(self._fits.due)
        if requests:
            self._bells.requests()
        if jobs.total:
            self._bells.jobs()
        if fits:
            self._doorbell.ring(FITS_TASK)
