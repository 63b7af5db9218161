"""Jobs: planned into chunks, run, finalised. A job and its chunks are one aggregate, kept by one store.

planning -> running -> finalising -> done
    |          |            |
    +----------+------------+------> failed | cancelled
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, insert, select, update

from quorate.db.chunks import ChunkStore, chunk_counts, chunk_trouble, held_chunk, take_down_chunks
from quorate.db.claims import claim, count_free, insert_new, is_held, lease_end
from quorate.db.job_records import (
    CANCELLED,
    DONE,
    ENDED,
    FAILED,
    FINALISING,
    JOB_COLUMNS,
    PLANNING,
    QUEUED,
    RUNNING,
    JobProgress,
    JobsDue,
    NewChunk,
    NewJob,
    StoredJob,
    stored_job,
)
from quorate.db.json_values import nan_as_null
from quorate.db.models import Chunk, Job, now
from quorate.errors import Conflict, NotFound


class JobStore(ChunkStore):
    """Jobs in SQL, and the chunks they are made of."""

    def create(self, job: NewJob) -> StoredJob:
        """Keep a job, to be planned; a known idempotency key gives the job that is kept under it."""
        row: dict[str, Any] = {name: getattr(job, name) for name in NewJob.__dataclass_fields__}
        row |= {"idempotency_key": job.idempotency_key or None, "options": dict(job.options), "state": PLANNING}
        with self._database.write() as connection:
            insert_new(connection, Job, [row])
            same = Job.idempotency_key == job.idempotency_key if job.idempotency_key else Job.id == job.id
            return stored_job(connection.execute(select(*JOB_COLUMNS).where(same)).mappings().one())

    def get(self, job_id: str) -> StoredJob:
        """One job; NotFound where there is none."""
        with self._database.read() as connection:
            return _get(connection, job_id)

    def list(self, limit: int = 100) -> tuple[StoredJob, ...]:
        """The newest jobs, newest first."""
        newest = select(*JOB_COLUMNS).order_by(Job.created_at.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(stored_job(row) for row in connection.execute(newest).mappings())

    def claim_planning(self, lease_seconds: float) -> StoredJob | None:
        """Take one job to be planned, by priority and age. Its `token` proves the claim."""
        return self._claim(PLANNING, lease_seconds)

    def claim_finalising(self, lease_seconds: float) -> StoredJob | None:
        """Take one job whose chunks are all done, by priority and age. Its `token` proves the claim."""
        return self._claim(FINALISING, lease_seconds)

    def heartbeat(self, job_id: str, token: int, lease_seconds: float) -> bool:
        """Prolong the lease of a claimed job (planning or finalising). False: lost, or cancelled."""
        with self._database.write() as connection:
            return any(
                _update_held(connection, job_id, state, token, lease_until=lease_end(lease_seconds))
                for state in (PLANNING, FINALISING)
            )

    def plan(self, job_id: str, token: int, chunks: Sequence[NewChunk], rows: int) -> bool:
        """Keep the job's chunks and set it running (finalising, where there are none). False: lost."""
        values = {"rows": rows, "chunks": len(chunks), "started_at": now(), "lease_until": None, "error": ""}
        with self._database.write() as connection:
            state = RUNNING if chunks else FINALISING
            if not _update_held(connection, job_id, PLANNING, token, state=state, **values):
                return False
            if chunks:
                connection.execute(insert(Chunk), _chunk_rows(_get(connection, job_id), chunks))
        return True

    def finish(self, job_id: str, token: int, manifest: dict[str, Any]) -> bool:
        """Keep the manifest and end the job. False: another finalises it now, or it was cancelled."""
        values = {"state": DONE, "manifest": nan_as_null(manifest), "ended_at": now(), "lease_until": None, "error": ""}
        with self._database.write() as connection:
            return _update_held(connection, job_id, FINALISING, token, **values)

    def release(self, job_id: str, token: int, error: str = "", delay_seconds: float = 0.0) -> bool:
        """Let go of a claimed job, to be claimed again no sooner than after the delay. False: lost."""
        with self._database.write() as connection:
            return any(
                _update_held(connection, job_id, state, token, lease_until=lease_end(delay_seconds), error=error)
                for state in (PLANNING, FINALISING)
            )

    def fail(self, job_id: str, error: str, token: int | None = None) -> bool:
        """End the job with its error. False: it has ended already, or (with a token) another claimed it since."""
        with self._database.write() as connection:
            return _end(connection, job_id, FAILED, error, token)

    def fail_by_chunk(self, job_id: str, index: int, token: int, error: str) -> bool:
        """End the job because of one of its chunks. False: another claimed that chunk since, or the job has ended."""
        with self._database.write() as connection:
            connection.execute(select(Job.id).where(Job.id == job_id).with_for_update())  # as `complete_chunk` does
            held = select(Chunk.index).where(*held_chunk(job_id, index, token))
            return connection.scalar(held) is not None and _end(connection, job_id, FAILED, error)

    def cancel(self, job_id: str) -> StoredJob:
        """End the job at once; whoever works on it hears of it at the next heartbeat. Cancelling twice is no error.

        Conflict where it is done or has failed.
        """
        with self._database.write() as connection:
            ended = _end(connection, job_id, CANCELLED, "cancelled")
        job = self.get(job_id)
        if not ended and job.state != CANCELLED:
            raise Conflict(f"job {job_id} cannot be cancelled: it is {job.state} already")
        return job

    def progress(self, job_id: str) -> JobProgress:
        """The job and the sums over its chunks, of one moment; NotFound where there is none."""
        with self._database.read() as connection:
            counts = chunk_counts(connection, job_id, now())
            return JobProgress(_get(connection, job_id), **counts, waiting_for=chunk_trouble(connection, job_id))

    def due(self) -> JobsDue:
        """What could be claimed at this moment; the reconciler rings when it is not nothing."""
        with self._database.read() as connection:
            return JobsDue(
                count_free(connection, Job, (PLANNING,)),
                count_free(connection, Chunk, (QUEUED, RUNNING)),
                count_free(connection, Job, (FINALISING,)),
            )

    def pinned(self) -> frozenset[tuple[str, int]]:
        """The ensemble versions that jobs still need, as (name, version)."""
        needed = select(Job.ensemble, Job.version).where(Job.state.not_in(ENDED)).distinct()
        with self._database.read() as connection:
            return frozenset((name, version) for name, version in connection.execute(needed))

    def _claim(self, state: str, lease_seconds: float) -> StoredJob | None:
        with self._database.write() as connection:
            rows = claim(connection, Job, (state,), state, 1, lease_seconds)
        return stored_job(rows[0]) if rows else None


def _end(connection: Connection, job_id: str, state: str, error: str, token: int | None = None) -> bool:
    conditions = [Job.id == job_id, Job.state.not_in(ENDED)]
    if token is not None:
        conditions.append(Job.token == token)
    values = {"state": state, "error": error, "ended_at": now(), "lease_until": None}
    ended = connection.execute(update(Job).where(*conditions).values(**values)).rowcount == 1
    if ended:
        take_down_chunks(connection, job_id, state, error)
    return ended


def _get(connection: Connection, job_id: str) -> StoredJob:
    row = connection.execute(select(*JOB_COLUMNS).where(Job.id == job_id)).mappings().first()
    if row is None:
        raise NotFound(f"no job has the id {job_id!r}; `quorate jobs` lists them")
    return stored_job(row)


def _update_held(connection: Connection, job_id: str, held_in: str, token: int, **values: Any) -> bool:
    held = (Job.id == job_id, is_held(Job, held_in, token))
    return connection.execute(update(Job).where(*held).values(**values)).rowcount == 1


def _chunk_rows(job: StoredJob, chunks: Sequence[NewChunk]) -> list[dict[str, Any]]:
    # Created when their job was, a microsecond apart: chunks are claimed job by job, and in the order of their rows.
    return [
        {
            "job_id": job.id,
            "index": index,
            "source_url": chunk.source_url,
            "first_row": chunk.first_row,
            "rows": chunk.rows,
            "priority": job.priority,
            "state": QUEUED,
            "created_at": job.created_at + timedelta(microseconds=index),
        }
        for index, chunk in enumerate(chunks)
    ]
