"""All that the gateway offers by way of the queue, put together: Submit and Await, jobs, files and fits."""

from __future__ import annotations

import grpc

from quorate.db import Database, FitStore, JobStore, RequestStore
from quorate.rpc.quorate.v1 import jobs_pb2_grpc, registry_pb2_grpc
from quorate.settings import Settings
from services.coordinator.fits import FitsServicer
from services.coordinator.jobs.servicer import JobsServicer
from services.coordinator.jobs.transfers import FilesServicer
from services.coordinator.queue.answers import Resolve, Submissions
from services.coordinator.queue.doorbell import Doorbell
from services.coordinator.queue.threads import Threads
from services.coordinator.queue.watching import Watches

THREADS = 4


class QueueServices:
    """Made inside the gateway's loop: `register` and `start` before it serves, `drain` when it stops, then `close`.

    `submissions` is what the Answers servicer calls for Submit and Await.
    """

    def __init__(self, settings: Settings, database: Database, resolve: Resolve) -> None:
        self._settings, self._resolve = settings, resolve
        self._jobs, self._fits = JobStore(database), FitStore(database)
        self._doorbell = Doorbell(settings.broker_url)
        self._watches = Watches()
        # Long transfers never keep a job's state waiting.
        self._threads, self._file_threads = Threads("gateway-queue", THREADS), Threads("gateway-files", THREADS)
        requests = RequestStore(database, settings.max_backlog)
        self.submissions = Submissions(settings, requests, resolve, self._doorbell)

    def register(self, server: grpc.aio.Server) -> None:
        """Add Jobs, Files and Fits to the server."""
        watches, threads = self._watches, self._threads
        jobs = JobsServicer(self._settings, self._jobs, self._resolve, self._doorbell, watches, threads)
        files = FilesServicer(self._settings, self._jobs, self._fits, self._file_threads)
        fits = FitsServicer(self._fits, self._resolve, self._doorbell, watches, threads)
        jobs_pb2_grpc.add_JobsServicer_to_server(jobs, server)  # type: ignore[no-untyped-call]
        jobs_pb2_grpc.add_FilesServicer_to_server(files, server)  # type: ignore[no-untyped-call]
        registry_pb2_grpc.add_FitsServicer_to_server(fits, server)  # type: ignore[no-untyped-call]

    async def start(self) -> None:
        await self.submissions.start()

    def drain(self) -> None:
        """End the calls that wait for something, so that they do not hold the stop up."""
        self._watches.drain()
        self.submissions.drain()

    async def close(self) -> None:
        await self.submissions.close()
        await self._doorbell.close()
        self._threads.close()
        self._file_threads.close()
