"""Jobs and chunks as values: what the job store takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import RowMapping

from quorate.db.claims import new_id
from quorate.db.models import Chunk, Job

PLANNING, RUNNING, FINALISING, DONE, FAILED, CANCELLED = (
    "planning",
    "running",
    "finalising",
    "done",
    "failed",
    "cancelled",
)
QUEUED = "queued"
ENDED = (DONE, FAILED, CANCELLED)


@dataclass(frozen=True)
class NewJob:
    """A file to score. `id` is free to be chosen, so that the output's place can be named after it."""

    ensemble: str
    version: int
    input_url: str
    output_url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    idempotency_key: str = ""
    priority: int = 0
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class StoredJob:
    """A job as it stands; `chunks` is their number.

    `state`: planning, running, finalising, done, failed or cancelled.
    """

    id: str
    ensemble: str
    version: int
    input_url: str
    output_url: str
    options: Mapping[str, Any]
    priority: int
    state: str
    error: str
    rows: int
    chunks: int
    manifest: Mapping[str, Any] | None
    token: int
    attempts: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(frozen=True)
class NewChunk:
    """The rows of one claim: `rows` of them from `first_row` on, in the file that the plan made or referred to."""

    source_url: str
    first_row: int
    rows: int


@dataclass(frozen=True)
class ClaimedChunk:
    """A chunk that is the claimer's until its lease runs out; `token` proves it."""

    job: StoredJob
    index: int
    token: int
    attempts: int
    source_url: str
    first_row: int
    rows: int

    @property
    def job_id(self) -> str:
        return self.job.id


@dataclass(frozen=True)
class StoredChunk:
    """A chunk as it stands. `winner` is the attempt that counts: its files and their checksums."""

    index: int
    state: str
    first_row: int
    rows: int
    rows_done: int
    rows_rejected: int
    winner: Mapping[str, Any] | None
    degraded: bool
    attempts: int
    error: str


@dataclass(frozen=True)
class JobProgress:
    """How far a job is. `rows_done` counts the finished rows of running chunks too, as last heard.

    `waiting_for` is why an unfinished chunk was last put back: empty where all goes well.
    """

    job: StoredJob
    rows_done: int
    rows_rejected: int
    chunks_done: int
    chunks_in_flight: int
    chunks_degraded: int
    waiting_for: str = ""


@dataclass(frozen=True)
class JobsDue:
    """How many things could be claimed at this moment; each counted up to 1000."""

    planning: int
    chunks: int
    finalising: int

    @property
    def total(self) -> int:
        return self.planning + self.chunks + self.finalising


JOB_COLUMNS = [Job.__table__.c[name] for name in StoredJob.__dataclass_fields__]
CHUNK_COLUMNS = [Chunk.__table__.c[name] for name in StoredChunk.__dataclass_fields__]


def stored_job(row: RowMapping) -> StoredJob:
    """A row of the jobs table (it may hold more columns) as a value."""
    return StoredJob(**{name: row[name] for name in StoredJob.__dataclass_fields__})
