"""`quorate.v1.Jobs`: scoring a file. Creating one writes SQL and rings; everything else reads SQL."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

from quorate.db import JobProgress, JobStore, NewJob, StoredJob
from quorate.ensemble import Ensemble
from quorate.errors import InvalidInput
from quorate.rpc.quorate.v1 import jobs_pb2 as pb
from quorate.rpc.quorate.v1 import jobs_pb2_grpc as rpc
from quorate.settings import Settings
from services.coordinator.jobs.files import JobFolder
from services.coordinator.jobs.finaliser import MANIFEST, remove_leftovers
from services.coordinator.jobs.output import checked_columns
from services.coordinator.jobs.planner import check_input
from services.coordinator.queue.celery_app import JOBS_TASK
from services.coordinator.queue.doorbell import Doorbell
from services.coordinator.queue.threads import Threads
from services.coordinator.queue.watching import Watches

MAX_CHUNK_ROWS = 65_536
MAX_KEY_LENGTH = 200


class JobsServicer(rpc.JobsServicer):
    """Jobs as clients see them. `resolve` gives an ensemble by name and version or alias."""

    def __init__(
        self,
        settings: Settings,
        store: JobStore,
        resolve: Callable[[str, str], Ensemble],
        doorbell: Doorbell,
        watches: Watches,
        threads: Threads,
    ) -> None:
        self._settings, self._store, self._resolve = settings, store, resolve
        self._doorbell, self._watches, self._threads = doorbell, watches, threads

    async def Create(self, request: pb.CreateJobRequest, context: Any) -> pb.Job:
        ensemble = self._resolve(request.ensemble, request.version)
        job = new_job(request, ensemble, self._settings)
        await self._threads.run(check_input, job.input_url)
        stored = await self._threads.run(self._store.create, job)
        self._doorbell.ring(JOBS_TASK)
        return await self._job(stored.id)

    async def Get(self, request: pb.JobRef, context: Any) -> pb.Job:
        return await self._job(request.job_id)

    async def List(self, request: pb.ListJobsRequest, context: Any) -> pb.ListJobsReply:
        jobs = await self._threads.run(self._store.list)
        return pb.ListJobsReply(jobs=[await self._job(job.id) for job in jobs])

    async def Watch(self, request: pb.JobRef, context: Any) -> AsyncIterator[pb.Job]:
        async def read() -> JobProgress:
            return await self._threads.run(self._store.progress, request.job_id)

        async for progress in self._watches.follow(read, lambda progress: progress.job.ended):
            yield job_message(progress)

    async def Cancel(self, request: pb.JobRef, context: Any) -> pb.Job:
        job = await self._threads.run(self._store.cancel, request.job_id)
        await self._threads.run(remove_leftovers, JobFolder(job.output_url))
        return await self._job(request.job_id)

    async def _job(self, job_id: str) -> pb.Job:
        return job_message(await self._threads.run(self._store.progress, job_id))


def new_job(request: pb.CreateJobRequest, ensemble: Ensemble, settings: Settings) -> NewJob:
    """Check a request and return the job to keep.

    It writes to a folder of its own below the output URL, or below the platform's store where none is given: two
    jobs never share one, so that neither can take the other's attempts or parts for its own.
    """
    if not request.input_url:
        raise InvalidInput("input_url is empty; give the URL of a CSV, JSONL or Parquet file, or upload one")
    if not 0 <= request.chunk_rows <= MAX_CHUNK_ROWS:
        raise InvalidInput(f"chunk_rows is {request.chunk_rows}; give 1 to {MAX_CHUNK_ROWS}, or 0 for the default")
    if len(request.idempotency_key) > MAX_KEY_LENGTH:
        raise InvalidInput(
            f"idempotency_key has {len(request.idempotency_key)} characters; give up to {MAX_KEY_LENGTH}"
        )
    options = {
        "chunk_rows": request.chunk_rows or settings.chunk_rows,
        "allow_degraded": request.allow_degraded,
        "columns": list(checked_columns(request.columns)),
    }
    job = NewJob(ensemble.name, ensemble.version, request.input_url, "", options, request.idempotency_key)
    below = request.output_url or f"{settings.resolved_store_url.rstrip('/')}/jobs"
    output_url = f"{below.rstrip('/')}/{job.id}"
    return NewJob(job.ensemble, job.version, job.input_url, output_url, options, job.idempotency_key, id=job.id)


def job_message(progress: JobProgress) -> pb.Job:
    """Write how far a job is; rows a second count from its first chunk, and the rest is estimated from that."""
    job = progress.job
    seconds = _seconds(job)
    rate = progress.rows_done / seconds if seconds > 0 else 0.0
    left = 0 if job.ended else job.rows - progress.rows_done
    return pb.Job(
        job_id=job.id,
        ensemble=job.ensemble,
        version=job.version,
        state=job.state,
        error=job.error or progress.waiting_for,
        rows=job.rows,
        rows_done=progress.rows_done,
        rows_rejected=progress.rows_rejected,
        chunks=job.chunks,
        chunks_done=progress.chunks_done,
        chunks_in_flight=progress.chunks_in_flight,
        rows_per_second=rate,
        eta_seconds=left / rate if rate else 0.0,
        input_url=job.input_url,
        output_url=job.output_url,
        files=job_files(job),
        seconds=seconds,
    )


def job_files(job: StoredJob) -> list[str]:
    """Return the URLs of what a done job published, its manifest first; nothing for any other job."""
    if job.manifest is None:
        return []
    folder = job.output_url.rstrip("/")
    return [f"{folder}/{MANIFEST}", *(f"{folder}/{file['name']}" for file in job.manifest["files"])]


def _seconds(job: StoredJob) -> float:
    if job.started_at is None:
        return 0.0
    return ((job.ended_at or datetime.now(UTC)) - job.started_at).total_seconds()
