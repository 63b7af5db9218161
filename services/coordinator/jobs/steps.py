"""The three steps of a job as one process takes them: plan, score a chunk, finalise. Each claims its own work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from quorate.db import ClaimedChunk, NewChunk, StoredJob
from quorate.errors import InvalidInput, NotFound, QuorateError, TryAgain
from services.coordinator.jobs.context import JobContext, job_options
from services.coordinator.jobs.files import JobFolder
from services.coordinator.jobs.finaliser import FinishedJob, finalise, remove_leftovers
from services.coordinator.jobs.lease import LeaseLost, Progress, under_lease
from services.coordinator.jobs.output import output_schema
from services.coordinator.jobs.planner import Plan, plan
from services.coordinator.jobs.runner import ChunkRunner
from services.coordinator.jobs.scorer import MembersMissing

log = structlog.get_logger(__name__)

T = TypeVar("T")
MOST_ATTEMPTS = 8
"""Claims of a job or chunk that ended in the same kind of surprise (a file gone, a disk full) before the job fails."""
FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 0.5, 5.0


class JobSteps:
    """Each method takes one piece of work if there is any, sees it through, and says whether there was."""

    def __init__(self, context: JobContext, runner: ChunkRunner) -> None:
        self._context, self._runner = context, runner
        self._store = context.store

    async def plan_one(self) -> bool:
        """Cut a new job's input into chunks."""
        job = await self._claim(self._store.claim_planning)
        if job is not None:
            await self._attempt_job(job, self._plan)
        return job is not None

    async def finalise_one(self) -> bool:
        """Publish the parts of a job whose chunks are all done."""
        job = await self._claim(self._store.claim_finalising)
        if job is not None:
            await self._attempt_job(job, self._finalise)
        return job is not None

    async def score_one(self) -> bool:
        """Score one chunk."""
        chunks = await self._context.sql.run(self._store.claim_chunks, 1, self._context.lease_seconds())
        for chunk in chunks:
            await self._attempt_chunk(chunk)
        return bool(chunks)

    async def _claim(self, claim: Callable[[float], StoredJob | None]) -> StoredJob | None:
        return await self._context.sql.run(claim, self._context.settings.lease_seconds)

    async def _plan(self, job: StoredJob, progress: Progress) -> None:
        ensemble, roles = await self._context.ensemble_of(job)
        rows = job_options(job).chunk_rows
        made: Plan = await self._context.files.run(
            plan, job.input_url, JobFolder(job.output_url), job.token, ensemble, roles, rows, progress
        )
        chunks = [NewChunk(made.source_url, first, count) for first, count in made.ranges]
        await self._context.sql.run(self._store.plan, job.id, job.token, chunks, made.rows)

    async def _finalise(self, job: StoredJob, progress: Progress) -> None:
        ensemble, _ = await self._context.ensemble_of(job)
        options = job_options(job)
        chunks = await self._context.sql.run(self._store.chunks, job.id)
        schema = output_schema(ensemble, options.columns, options.allow_degraded)
        finished = FinishedJob(job.id, job.input_url, job.rows, ensemble, schema, sum(one.degraded for one in chunks))
        winners = [chunk.winner for chunk in chunks if chunk.winner is not None]
        folder = JobFolder(job.output_url)
        manifest = await self._context.files.run(finalise, folder, job.token, finished, winners, progress)
        await self._context.sql.run(self._store.finish, job.id, job.token, manifest)

    async def _attempt_job(
        self, job: StoredJob, step: Callable[[StoredJob, Progress], Coroutine[Any, Any, None]]
    ) -> None:
        lease_seconds, progress = self._context.settings.lease_seconds, Progress()

        async def beat(_: int) -> bool:
            return await self._context.sql.run(self._store.heartbeat, job.id, job.token, lease_seconds)

        try:
            await under_lease(step(job, progress), progress, beat, lease_seconds / 4)
        except LeaseLost:
            log.info("a job was taken over or cancelled", job=job.id)
        except asyncio.CancelledError:
            await self._last_word(self._store.release, job.id, job.token, "the pool stopped")
            raise
        except (InvalidInput, NotFound) as error:
            await self._fail(job, error)
        except Exception as error:
            if job.attempts >= MOST_ATTEMPTS:
                await self._fail(job, error)
                return
            log.warning("a job's step failed; trying again", job=job.id, error=_told(error))
            await self._context.sql.run(self._store.release, job.id, job.token, _told(error), _delay(job.attempts))

    async def _attempt_chunk(self, chunk: ClaimedChunk) -> None:
        held = (chunk.job_id, chunk.index, chunk.token)
        try:
            await self._runner.run(chunk)
        except LeaseLost:
            log.info("a chunk was taken over, or its job ended", job=chunk.job_id, chunk=chunk.index)
        except asyncio.CancelledError:
            await self._last_word(self._store.release_chunk, *held, "the pool stopped")
            raise
        except (InvalidInput, NotFound) as error:
            await self._fail_by_chunk(chunk, error)
        except Exception as error:
            surprise = not isinstance(error, (MembersMissing, TryAgain))
            if surprise and chunk.attempts >= MOST_ATTEMPTS:
                await self._fail_by_chunk(chunk, error)
                return
            log.warning("a chunk waits", job=chunk.job_id, chunk=chunk.index, error=_told(error))
            delay = _delay(chunk.attempts)
            await self._context.sql.run(self._store.release_chunk, *held, _told(error), delay)

    async def _fail(self, job: StoredJob, error: Exception) -> None:
        if await self._context.sql.run(self._store.fail, job.id, _told(error), job.token):
            await self._clean_up(job, error)

    async def _fail_by_chunk(self, chunk: ClaimedChunk, error: Exception) -> None:
        held = (chunk.job_id, chunk.index, chunk.token)
        if await self._context.sql.run(self._store.fail_by_chunk, *held, _told(error)):
            await self._clean_up(chunk.job, error)

    async def _clean_up(self, job: StoredJob, error: Exception) -> None:
        log.warning("a job failed", job=job.id, error=_told(error))
        await self._context.files.run(remove_leftovers, JobFolder(job.output_url))

    async def _last_word(self, release: Callable[..., bool], *arguments: Any) -> None:
        """Give claimed work back while this task is being cancelled, so that another process takes it at once."""
        try:
            await asyncio.shield(self._context.sql.run(release, *arguments))
        except QuorateError as error:
            log.warning("claimed work could not be given back; its lease will run out", error=str(error))


def _delay(attempts: int) -> float:
    return float(min(FIRST_DELAY_SECONDS * 2 ** min(attempts - 1, 10), LONGEST_DELAY_SECONDS))


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, QuorateError) else f"{type(error).__name__}: {error}"
