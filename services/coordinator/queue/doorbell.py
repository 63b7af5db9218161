"""Ringing: telling a pool that SQL holds work. A ring may be lost; the reconciler rings again."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import structlog

from services.coordinator.queue.celery_app import (
    COORDINATOR_QUEUE,
    DOORBELL_EXPIRES_SECONDS,
    FITS_TASK,
    JOBS_TASK,
    REQUESTS_TASK,
    TUNER_QUEUE,
    build_ringing_app,
)

log = structlog.get_logger(__name__)

QUEUE_OF = {REQUESTS_TASK: COORDINATOR_QUEUE, JOBS_TASK: COORDINATOR_QUEUE, FITS_TASK: TUNER_QUEUE}


class Doorbell:
    """Rings from an event loop without making its caller wait; rings that pile up for one task become one.

    Made and used on one loop. A broker that is down is logged once an outage.
    """

    def __init__(self, broker_url: str) -> None:
        self._app = build_ringing_app(broker_url)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="doorbell")
        self._wanted: set[str] = set()
        self._ringing: asyncio.Task[None] | None = None
        self._silent = False

    def ring(self, task: str) -> None:
        """Send the task's name to its queue, soon."""
        self._wanted.add(task)
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.get_running_loop().create_task(self._ring_all())

    async def close(self) -> None:
        """Ring what is still wanted, and let go of the broker."""
        if self._ringing is not None:
            await self._ringing
        self._threads.shutdown()
        self._app.close()

    async def _ring_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._wanted:
            await loop.run_in_executor(self._threads, self._send, self._wanted.pop())

    def _send(self, task: str) -> None:
        try:
            self._app.send_task(task, queue=QUEUE_OF[task], expires=DOORBELL_EXPIRES_SECONDS, ignore_result=True)
        except Exception as error:  # whatever the transport raises, the work is safe in SQL
            if not self._silent:
                log.warning("the broker takes no doorbell; the reconciler finds work until it does", error=str(error))
            self._silent = True
        else:
            self._silent = False
