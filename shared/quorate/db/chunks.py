"""The chunks of jobs: claimed, kept alive, completed once, or given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, case, func, select, update

from quorate.db.claims import Condition, claim, is_held, lease_end
from quorate.db.database import Database
from quorate.db.job_records import (
    CHUNK_COLUMNS,
    DONE,
    FINALISING,
    JOB_COLUMNS,
    QUEUED,
    RUNNING,
    ClaimedChunk,
    StoredChunk,
    stored_job,
)
from quorate.db.json_values import nan_as_null
from quorate.db.models import Chunk, Job


class ChunkStore:
    """Chunks in SQL; a write with an old token changes nothing and gives False.

    Only a running job has chunks in the states queued and running: a job that fails or is cancelled takes its
    unfinished chunks with it, so that whoever works on one hears of it at the next heartbeat.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim_chunks(self, limit: int, lease_seconds: float) -> list[ClaimedChunk]:
        """Take up to `limit` chunks: those with an expired lease, then by their jobs' priority and age."""
        with self._database.write() as connection:
            rows = claim(connection, Chunk, (RUNNING, QUEUED), RUNNING, limit, lease_seconds, rows_done=0)
            ids = {row["job_id"] for row in rows}
            found = connection.execute(select(*JOB_COLUMNS).where(Job.id.in_(ids))).mappings()
            jobs = {row["id"]: stored_job(row) for row in found} if ids else {}
        return [
            ClaimedChunk(
                jobs[row["job_id"]],
                row["index"],
                row["token"],
                row["attempts"],
                row["source_url"],
                row["first_row"],
                row["rows"],
            )
            for row in rows
        ]

    def heartbeat_chunk(self, job_id: str, index: int, token: int, rows_done: int, lease_seconds: float) -> bool:
        """Say how many rows are done; the lease is prolonged only if that is more than before. False: lost.

        A claimer that hangs, or only waits, loses the chunk in time even though it still sends heartbeats.
        """
        moved = Chunk.rows_done < rows_done
        lease = case((moved, lease_end(lease_seconds)), else_=Chunk.lease_until)
        done = case((moved, rows_done), else_=Chunk.rows_done)
        with self._database.write() as connection:
            return self._update_held(connection, job_id, index, token, rows_done=done, lease_until=lease)

    def complete_chunk(
        self,
        job_id: str,
        index: int,
        token: int,
        winner: Mapping[str, Any],
        rows_done: int,
        rows_rejected: int,
        degraded: bool = False,
    ) -> bool:
        """Make this attempt the chunk's winner; the job's last chunk moves the job to finalising. False: lost."""
        with self._database.write() as connection:
            # Two last chunks completed at once would each see the other unfinished: the job's row lets one go first.
            connection.execute(select(Job.id).where(Job.id == job_id).with_for_update())
            won = self._update_held(
                connection,
                job_id,
                index,
                token,
                state=DONE,
                winner=nan_as_null(winner),
                rows_done=rows_done,
                rows_rejected=rows_rejected,
                degraded=degraded,
                error="",
                lease_until=None,
            )
            if won and not _has_unfinished(connection, job_id):
                all_done = (Job.id == job_id, Job.state == RUNNING)
                connection.execute(update(Job).where(*all_done).values(state=FINALISING, lease_until=None))
        return won

    def release_chunk(self, job_id: str, index: int, token: int, error: str = "", delay_seconds: float = 0.0) -> bool:
        """Put a chunk back in the queue, to be claimed no sooner than after the delay. False: lost."""
        until = lease_end(delay_seconds) if delay_seconds > 0 else None
        with self._database.write() as connection:
            return self._update_held(
                connection, job_id, index, token, state=QUEUED, rows_done=0, error=error, lease_until=until
            )

    def chunks(self, job_id: str) -> tuple[StoredChunk, ...]:
        """The job's chunks in the order of their rows; the winners are what the finaliser publishes."""
        wanted = select(*CHUNK_COLUMNS).where(Chunk.job_id == job_id).order_by(Chunk.index)
        with self._database.read() as connection:
            return tuple(StoredChunk(**row) for row in connection.execute(wanted).mappings())

    def _update_held(self, connection: Connection, job_id: str, index: int, token: int, **values: Any) -> bool:
        held = held_chunk(job_id, index, token)
        return connection.execute(update(Chunk).where(*held).values(**values)).rowcount == 1


def held_chunk(job_id: str, index: int, token: int) -> tuple[Condition, ...]:
    """What singles out the chunk as long as the claim with this token is its last."""
    return (Chunk.job_id == job_id, Chunk.index == index, is_held(Chunk, RUNNING, token))


def _has_unfinished(connection: Connection, job_id: str) -> bool:
    """Whether a chunk is still to do; looks at the last ones first, which are claimed last."""
    unfinished = (Chunk.job_id == job_id, Chunk.state.in_((QUEUED, RUNNING)))
    return connection.scalar(select(Chunk.index).where(*unfinished).order_by(Chunk.index.desc()).limit(1)) is not None


def take_down_chunks(connection: Connection, job_id: str, state: str, error: str) -> None:
    """End the unfinished chunks of a job that failed or was cancelled; who holds one has lost it."""
    unfinished = (Chunk.job_id == job_id, Chunk.state.in_((QUEUED, RUNNING)))
    connection.execute(update(Chunk).where(*unfinished).values(state=state, error=error, lease_until=None))


def chunk_counts(connection: Connection, job_id: str, at: Any) -> Mapping[str, Any]:
    """Sums over the job's chunks, as JobProgress names them."""

    def count(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    sums = select(
        func.coalesce(func.sum(Chunk.rows_done), 0).label("rows_done"),
        func.coalesce(func.sum(Chunk.rows_rejected), 0).label("rows_rejected"),
        count(Chunk.state == DONE).label("chunks_done"),
        count((Chunk.state == RUNNING) & (Chunk.lease_until > at)).label("chunks_in_flight"),
        count(Chunk.degraded).label("chunks_degraded"),
    ).where(Chunk.job_id == job_id)
    return {name: int(value) for name, value in connection.execute(sums).mappings().one().items()}


def chunk_trouble(connection: Connection, job_id: str) -> str:
    """Why some unfinished chunk of the job was last put back; empty where none was."""
    unfinished = (Chunk.job_id == job_id, Chunk.state.in_((QUEUED, RUNNING)), Chunk.error != "")
    return connection.scalar(select(Chunk.error).where(*unfinished).limit(1)) or ""
