"""Who wakes up late, with a claim that another has taken over, spoils nothing and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quorate.db import JobStore, NewChunk, NewJob, RegistryStore, migrate, open_database
from quorate.ensemble import Answer, Columns, Ensemble, Task
from quorate.settings import Settings
from services.coordinator.engine import Catalog
from services.coordinator.jobs.context import JobContext
from services.coordinator.jobs.lease import LeaseLost
from services.coordinator.jobs.runner import ChunkRunner
from services.coordinator.jobs.scorer import Scorer
from services.coordinator.jobs.steps import JobSteps
from services.coordinator.queue.threads import Threads
from tests.support.jobs import table, written_to
from tests.support.members import LABELS, table_member

PETS = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, (table_member(),))
OPTIONS = {"chunk_rows": 100, "allow_degraded": False, "columns": ["label"]}


class SlowEngine:
    """Says `cat` to everything, once it is let go."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def answer(
        self, ensemble: Ensemble, columns: Columns, *, patience_seconds: float, outputs: Sequence[str]
    ) -> Answer:
        self.asked.set()
        await self.go.wait()
        rows = len(columns["age"])
        outputs_said: dict[str, Any] = {"label": np.array([b"cat"] * rows, dtype=object)}
        outputs_said["probabilities"] = np.ones((rows, 2), dtype=np.float32)
        return Answer("pets", 1, LABELS, outputs_said, (), np.ones((1, rows), dtype=bool))


class Bench:
    """One planned job of one chunk in SQLite, and runners for it."""

    def __init__(self, home: Path) -> None:
        database = open_database(f"sqlite:///{home / 'quorate.db'}")
        migrate(database)
        registry = RegistryStore(database)
        registry.add_member(table_member(), source="endpoint")
        registry.add_ensemble(PETS)
        self.jobs = JobStore(database)
        self.output = home / "out"
        url = written_to(home / "rows.parquet", table(100))
        job = NewJob("pets", 1, url, self.output.as_uri(), OPTIONS)
        self.job_id = self.jobs.create(job).id
        planning = self.jobs.claim_planning(5)
        assert planning is not None
        self.jobs.plan(self.job_id, planning.token, [NewChunk(url, 0, 100)], 100)
        catalog = Catalog(1, {"pets": {1: PETS}}, {"pets": {"live": 1}})
        settings = Settings(home=home, lease_seconds=0.2)
        self.context = JobContext(
            settings, self.jobs, registry, lambda: catalog, Threads("sql", 2), Threads("files", 2)
        )

    def runner(self, engine: SlowEngine) -> ChunkRunner:
        return ChunkRunner(self.context, Scorer(engine, 100))  # type: ignore[arg-type]

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.output)) for path in self.output.rglob("*") if path.is_file()}


async def test_a_chunk_that_two_have_scored_has_one_winner_and_the_other_is_removed(home: Path) -> None:
    bench, late, quick = Bench(home), SlowEngine(), SlowEngine()
    (first,) = bench.jobs.claim_chunks(1, lease_seconds=0.0)
    zombie = asyncio.create_task(bench.runner(late).run(first))
    await late.asked.wait()
    (second,) = bench.jobs.claim_chunks(1, lease_seconds=5.0)
    quick.go.set()
    assert await bench.runner(quick).run(second)
    won = bench.files
    late.go.set()
    assert not await zombie
    assert bench.files == won == {"_attempts/00000-2.parquet"}
    (chunk,) = bench.jobs.chunks(bench.job_id)
    assert (chunk.state, chunk.attempts, chunk.rows_done) == ("done", 2, 100)
    assert chunk.winner is not None
    assert chunk.winner["scored"]["name"] == "_attempts/00000-2.parquet"


async def test_a_pool_that_stops_gives_its_chunk_back_at_once(home: Path) -> None:
    bench, engine = Bench(home), SlowEngine()
    task = asyncio.create_task(JobSteps(bench.context, bench.runner(engine)).score_one())
    await engine.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (chunk,) = bench.jobs.claim_chunks(1, lease_seconds=5.0)
    assert chunk.attempts == 2


async def test_a_chunk_of_a_cancelled_job_stops_without_a_trace(home: Path) -> None:
    bench, engine = Bench(home), SlowEngine()
    (chunk,) = bench.jobs.claim_chunks(1, lease_seconds=5.0)
    running = asyncio.create_task(bench.runner(engine).run(chunk))
    await engine.asked.wait()
    bench.jobs.cancel(bench.job_id)
    engine.go.set()
    with contextlib.suppress(LeaseLost):
        assert not await running
    assert bench.files == set()


async def test_a_job_whose_input_is_gone_fails_after_its_last_attempt(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, engine = Bench(home), SlowEngine()
    (home / "rows.parquet").unlink()
    monkeypatch.setattr("services.coordinator.jobs.steps.MOST_ATTEMPTS", 2)
    monkeypatch.setattr("services.coordinator.jobs.steps.FIRST_DELAY_SECONDS", 0.0)
    steps = JobSteps(bench.context, bench.runner(engine))
    assert await steps.score_one()
    assert bench.jobs.get(bench.job_id).state == "running"
    assert await steps.score_one()
    job = bench.jobs.get(bench.job_id)
    assert job.state == "failed"
    assert "rows.parquet" in job.error
