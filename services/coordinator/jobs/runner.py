"""One chunk: read, scored through the engine with several batches in flight, written, and completed in SQL."""

from __future__ import annotations

import asyncio

from quorate.db import ClaimedChunk
from quorate.ensemble import Ensemble
from quorate.tables import REASON, Roles
from services.coordinator.jobs.binding import BoundRows, bind_rows, read_columns
from services.coordinator.jobs.context import JobContext, JobOptions, job_options
from services.coordinator.jobs.files import JobFolder
from services.coordinator.jobs.lease import Progress, under_lease
from services.coordinator.jobs.output import engine_outputs, output_schema, rejects_table, scored_table
from services.coordinator.jobs.scorer import BatchResult, Scorer, ScoringOptions
from services.coordinator.jobs.source import ParquetRows
from services.coordinator.jobs.writer import remove_attempt, write_attempt

BATCHES_IN_FLIGHT = 2
BEATS_PER_LEASE = 4
LAST_CLAIM = 5
"""The claim of a chunk on which a row that fails by itself is rejected whatever else is known."""


class ChunkRunner:
    """Runs claimed chunks, any number of them side by side on one loop."""

    def __init__(self, context: JobContext, scorer: Scorer) -> None:
        self._context, self._scorer = context, scorer

    async def run(self, chunk: ClaimedChunk) -> bool:
        """Score the chunk and make its attempt the winner; False where another attempt has won meanwhile.

        Raises MembersMissing, LeaseLost, InvalidInput for a table that does not fit, or what reading and writing
        raise; the attempt's files are removed unless they won.
        """
        context, job = self._context, chunk.job
        ensemble, _ = await context.ensemble_of(job)
        lease_seconds = context.lease_seconds(ensemble)
        progress = Progress()

        async def beat(rows_done: int) -> bool:
            held = (job.id, chunk.index, chunk.token)
            return await context.sql.run(context.store.heartbeat_chunk, *held, rows_done, lease_seconds)

        work = self._score(chunk, ensemble, job_options(job), lease_seconds, progress)
        result = await under_lease(work, progress, beat, lease_seconds / BEATS_PER_LEASE)
        return await self._complete(chunk, ensemble, result)

    async def _score(
        self, chunk: ClaimedChunk, ensemble: Ensemble, options: JobOptions, lease_seconds: float, progress: Progress
    ) -> BatchResult:
        scoring = ScoringOptions(
            engine_outputs(ensemble, options.columns),
            options.allow_degraded,
            call_seconds=lease_seconds / 2,
            idle_seconds=lease_seconds / 2,
            last_claim=chunk.attempts >= LAST_CLAIM,
        )
        _, roles = await self._context.ensemble_of(chunk.job)
        total, pending = BatchResult(), set[asyncio.Task[BatchResult]]()
        settings, files = self._context.settings, self._context.files
        reader = await files.run(ChunkReader, chunk, ensemble, roles, settings.max_batch_rows, settings.max_batch_bytes)
        try:
            while (bound := await files.run(reader.next)) is not None:
                total.rejected.update(bound.rejected)
                progress.done += len(bound.rejected)
                if len(bound.rows):
                    score = self._scorer.score(ensemble, bound.rows, bound.columns, scoring, progress)
                    pending.add(asyncio.create_task(score))
                if len(pending) >= BATCHES_IN_FLIGHT:
                    pending = await _collect(pending, total)
            while pending:
                pending = await _collect(pending, total)
        finally:
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)
            await files.run(reader.close)
        return total

    async def _complete(self, chunk: ClaimedChunk, ensemble: Ensemble, result: BatchResult) -> bool:
        context, job, options = self._context, chunk.job, job_options(chunk.job)
        schema = output_schema(ensemble, options.columns, options.allow_degraded)
        folder = JobFolder(job.output_url)
        scored = sum(len(part.rows) for part in result.scored)
        if scored + len(result.rejected) != chunk.rows:
            raise RuntimeError(f"{scored} rows scored and {len(result.rejected)} rejected of {chunk.rows}")
        winner = await context.files.run(
            lambda: write_attempt(
                folder,
                chunk.index,
                chunk.token,
                scored_table(ensemble, schema, result.scored),
                rejects_table(result.rejected),
            )
        )
        degraded = any(part.answer.degraded for part in result.scored)
        held = (job.id, chunk.index, chunk.token)
        won = await context.sql.run(
            context.store.complete_chunk, *held, winner, chunk.rows, len(result.rejected), degraded
        )
        if not won:
            await context.files.run(remove_attempt, folder, chunk.index, chunk.token)
        return won


class ChunkReader:
    """The chunk's rows as tensors, batch by batch; used in threads, one call at a time."""

    def __init__(self, chunk: ClaimedChunk, ensemble: Ensemble, roles: Roles, rows: int, max_bytes: int) -> None:
        self._source = ParquetRows(chunk.source_url)
        self._ensemble, self._roles = ensemble, roles
        self._folder = chunk.job.input_url.rpartition("/")[0]
        self._row = chunk.first_row
        names = self._source.schema.names
        columns = [*read_columns(ensemble, roles, names), *(name for name in names if name == REASON)]
        self._batches = self._source.batches(columns, chunk.first_row, chunk.rows, rows, max_bytes)

    def next(self) -> BoundRows | None:
        """Return the next batch, its rows numbered as in the job's input; None at the end."""
        batch = next(self._batches, None)
        if batch is None:
            return None
        first, self._row = self._row, self._row + batch.num_rows
        return bind_rows(batch, first, self._ensemble, self._roles, self._folder)

    def close(self) -> None:
        self._source.close()


async def _collect(pending: set[asyncio.Task[BatchResult]], total: BatchResult) -> set[asyncio.Task[BatchResult]]:
    """Wait, add what has ended to the total, and return the rest; raise what a batch raised."""
    done, rest = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        result = task.result()
        total.scored += result.scored
        total.rejected.update(result.rejected)
    return rest
