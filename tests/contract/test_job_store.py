"""Jobs and their chunks, on SQLite and on PostgreSQL."""

from __future__ import annotations

import pytest

from quorate.db.database import Database
from quorate.db.job_records import JobsDue, NewChunk, NewJob, StoredJob
from quorate.db.jobs import JobStore
from quorate.errors import Conflict, NotFound
from tests.support.servers import wait_until

LONG, OVER = 60.0, 0.0
WINNER = {"parts": {"_attempts/0-1.parquet": "sha256:1"}}


@pytest.fixture
def store(database: Database) -> JobStore:
    return JobStore(database)


def a_job(**changes: object) -> NewJob:
    return NewJob("pets", 1, "file:///rows.parquet", "file:///out", {"columns": ["label"]}, **changes)  # type: ignore[arg-type]


def a_planned_job(store: JobStore, chunks: int = 3, **changes: object) -> StoredJob:
    """A job of `chunks` chunks of 10 rows each, ready to be claimed."""
    job = store.create(a_job(**changes))
    claimed = store.claim_planning(LONG)
    assert claimed is not None
    assert claimed.id == job.id
    plan = [NewChunk("file:///rows.parquet", 10 * index, 10) for index in range(chunks)]
    assert store.plan(job.id, claimed.token, plan, 10 * chunks)
    return store.get(job.id)


def test_a_job_goes_from_planning_to_done(store: JobStore) -> None:
    job = a_planned_job(store, 2)
    assert (job.state, job.rows, job.chunks, job.options) == ("running", 20, 2, {"columns": ["label"]})
    assert job.started_at is not None
    first, second = store.claim_chunks(5, LONG)
    assert (first.job, first.index, first.first_row, first.rows) == (job, 0, 0, 10)
    assert store.complete_chunk(job.id, 0, first.token, WINNER, 10, 0)
    assert store.get(job.id).state == "running"
    assert store.claim_finalising(LONG) is None
    assert store.complete_chunk(job.id, 1, second.token, WINNER, 8, 2, degraded=True)
    finaliser = store.claim_finalising(LONG)
    assert finaliser is not None
    assert (finaliser.id, finaliser.state) == (job.id, "finalising")
    assert [(chunk.winner, chunk.rows_rejected) for chunk in store.chunks(job.id)] == [(WINNER, 0), (WINNER, 2)]
    assert store.finish(job.id, finaliser.token, {"files": ["part-0.parquet"]})
    ended = store.get(job.id)
    assert (ended.state, ended.ended, ended.manifest) == ("done", True, {"files": ["part-0.parquet"]})
    assert ended.ended_at is not None
    assert not store.finish(job.id, finaliser.token, {})


def test_the_same_idempotency_key_is_the_same_job(store: JobStore) -> None:
    first = store.create(a_job(idempotency_key="k"))
    assert store.create(a_job(idempotency_key="k")) == first
    assert store.create(a_job()).id != store.create(a_job()).id
    assert len(store.list()) == 3


def test_a_job_without_rows_has_nothing_to_run(store: JobStore) -> None:
    job = a_planned_job(store, 0)
    assert job.state == "finalising"
    assert store.claim_chunks(5, LONG) == []


def test_a_planner_that_woke_up_late_plans_nothing(store: JobStore) -> None:
    job = store.create(a_job())
    zombie = store.claim_planning(OVER)
    planner = store.claim_planning(LONG)
    assert zombie is not None
    assert planner is not None
    assert planner.token == zombie.token + 1
    assert not store.plan(job.id, zombie.token, [NewChunk("u", 0, 5)], 5)
    assert not store.heartbeat(job.id, zombie.token, LONG)
    assert not store.fail(job.id, "zombie", zombie.token)
    assert store.heartbeat(job.id, planner.token, LONG)
    assert store.plan(job.id, planner.token, [NewChunk("u", 0, 7)], 7)
    assert not store.plan(job.id, planner.token, [NewChunk("u", 0, 7)], 7)
    assert [chunk.rows for chunk in store.chunks(job.id)] == [7]


def test_a_zombie_cannot_complete_a_chunk_that_was_claimed_again(store: JobStore) -> None:
    job = a_planned_job(store, 1)
    (zombie,) = store.claim_chunks(1, OVER)
    (again,) = store.claim_chunks(1, LONG)
    assert (again.index, again.token, again.attempts) == (0, 2, 2)
    assert not store.heartbeat_chunk(job.id, 0, zombie.token, 5, LONG)
    assert not store.complete_chunk(job.id, 0, zombie.token, {"from": "the zombie"}, 10, 0)
    assert not store.release_chunk(job.id, 0, zombie.token)
    assert store.get(job.id).state == "running"
    assert store.complete_chunk(job.id, 0, again.token, WINNER, 10, 0)
    assert not store.complete_chunk(job.id, 0, again.token, {"twice": True}, 10, 0)
    assert store.chunks(job.id)[0].winner == WINNER
    assert store.progress(job.id).rows_done == 10


def test_a_heartbeat_keeps_the_lease_only_while_rows_get_done(store: JobStore) -> None:
    job = a_planned_job(store, 1)
    (chunk,) = store.claim_chunks(1, OVER)
    assert store.heartbeat_chunk(job.id, 0, chunk.token, 0, LONG)
    assert store.due().chunks == 1
    assert store.heartbeat_chunk(job.id, 0, chunk.token, 4, LONG)
    assert store.due().chunks == 0
    assert store.heartbeat_chunk(job.id, 0, chunk.token, 5, OVER)
    assert store.heartbeat_chunk(job.id, 0, chunk.token, 5, LONG)
    assert store.due().chunks == 1
    assert store.progress(job.id).rows_done == 5
    (again,) = store.claim_chunks(1, LONG)
    assert store.progress(job.id).rows_done == 0
    assert again.token == chunk.token + 1


def test_a_released_chunk_waits_for_its_delay(store: JobStore) -> None:
    job = a_planned_job(store, 2)
    first, second = store.claim_chunks(2, LONG)
    assert store.release_chunk(job.id, 1, second.token)
    assert [chunk.index for chunk in store.claim_chunks(2, LONG)] == [1]
    assert store.release_chunk(job.id, 0, first.token, "member text is away", delay_seconds=0.3)
    assert store.claim_chunks(2, LONG) == []
    assert store.chunks(job.id)[0].error == "member text is away"
    (again,) = wait_until(lambda: store.claim_chunks(2, LONG), describe="the delay is over")
    assert (again.index, again.token) == (0, 2)


def test_chunks_are_claimed_by_their_jobs_priority_then_age_then_row(store: JobStore) -> None:
    old, new = a_planned_job(store, 2), a_planned_job(store, 2)
    urgent = a_planned_job(store, 2, priority=3)
    claimed = store.claim_chunks(4, LONG) + store.claim_chunks(4, LONG)
    assert [(chunk.job_id, chunk.index) for chunk in claimed] == [
        (job.id, i) for job in (urgent, old, new) for i in (0, 1)
    ]


def test_jobs_are_planned_by_priority_then_age(store: JobStore) -> None:
    old, new, urgent = store.create(a_job()), store.create(a_job()), store.create(a_job(priority=1))
    claimed = [store.claim_planning(LONG) for _ in range(3)]
    assert [job.id for job in claimed if job] == [urgent.id, old.id, new.id]
    assert store.claim_planning(LONG) is None
    assert [job.id for job in store.list(2)] == [urgent.id, new.id]


def test_a_cancelled_job_takes_its_chunks_with_it(store: JobStore) -> None:
    job = a_planned_job(store, 3)
    done, running = store.claim_chunks(2, LONG)
    store.complete_chunk(job.id, done.index, done.token, WINNER, 10, 0)
    assert store.cancel(job.id).state == "cancelled"
    assert store.claim_chunks(5, LONG) == []
    assert not store.heartbeat_chunk(job.id, running.index, running.token, 9, LONG)
    assert not store.complete_chunk(job.id, running.index, running.token, WINNER, 10, 0)
    assert store.due() == JobsDue(0, 0, 0)
    assert store.cancel(job.id).state == "cancelled"
    assert store.get(job.id).ended_at is not None
    assert [chunk.state for chunk in store.chunks(job.id)] == ["done", "cancelled", "cancelled"]


def test_a_job_cancelled_while_it_is_planned_or_finalised_stays_cancelled(store: JobStore) -> None:
    planned = store.create(a_job())
    planner = store.claim_planning(LONG)
    assert planner is not None
    store.cancel(planned.id)
    assert not store.plan(planned.id, planner.token, [NewChunk("u", 0, 5)], 5)
    finalised = a_planned_job(store, 0)
    finaliser = store.claim_finalising(LONG)
    assert finaliser is not None
    store.cancel(finalised.id)
    assert not store.finish(finalised.id, finaliser.token, {})
    assert {job.state for job in store.list()} == {"cancelled"}


def test_what_has_ended_cannot_be_cancelled(store: JobStore) -> None:
    job = a_planned_job(store, 1)
    assert store.fail(job.id, "the file cannot be read")
    assert not store.fail(job.id, "again")
    assert (store.get(job.id).state, store.get(job.id).error) == ("failed", "the file cannot be read")
    assert store.claim_chunks(5, LONG) == []
    with pytest.raises(Conflict, match="failed"):
        store.cancel(job.id)
    with pytest.raises(NotFound, match="nothing"):
        store.cancel("nothing")


def test_progress_sums_over_the_chunks(store: JobStore) -> None:
    job = a_planned_job(store, 4)
    first, second, third = store.claim_chunks(3, LONG)
    store.complete_chunk(job.id, first.index, first.token, WINNER, 9, 1, degraded=True)
    store.heartbeat_chunk(job.id, second.index, second.token, 4, LONG)
    store.heartbeat_chunk(job.id, third.index, third.token, 2, OVER)
    progress = store.progress(job.id)
    assert progress.job.id == job.id
    assert (progress.rows_done, progress.rows_rejected) == (15, 1)
    assert (progress.chunks_done, progress.chunks_in_flight, progress.chunks_degraded) == (1, 1, 1)
    empty = store.progress(store.create(a_job()).id)
    assert (empty.rows_done, empty.chunks_done, empty.chunks_in_flight) == (0, 0, 0)
    with pytest.raises(NotFound, match="nothing"):
        store.progress("nothing")


def test_due_counts_each_kind_of_work(store: JobStore) -> None:
    assert store.due() == JobsDue(0, 0, 0)
    a_planned_job(store, 3)
    a_planned_job(store, 0)
    store.create(a_job())
    store.claim_chunks(1, LONG)
    assert store.due() == JobsDue(planning=1, chunks=2, finalising=1)
    assert store.due().total == 4


def test_a_released_job_is_planned_by_another(store: JobStore) -> None:
    job = store.create(a_job())
    planner = store.claim_planning(LONG)
    assert planner is not None
    assert store.claim_planning(LONG) is None
    assert store.release(job.id, planner.token, "the store is away")
    again = store.claim_planning(LONG)
    assert again is not None
    assert again.token == planner.token + 1
    assert not store.release(job.id, planner.token)


def test_versions_of_unfinished_jobs_are_pinned(store: JobStore) -> None:
    job = store.create(a_job())
    assert store.pinned() == {("pets", 1)}
    store.cancel(job.id)
    assert store.pinned() == frozenset()


def test_a_job_says_what_it_waits_for_until_the_chunk_is_done(store: JobStore) -> None:
    job = a_planned_job(store, 1)
    [chunk] = store.claim_chunks(1, LONG)
    assert store.progress(job.id).waiting_for == ""
    store.release_chunk(job.id, chunk.index, chunk.token, "member text is away")
    assert store.progress(job.id).waiting_for == "member text is away"
    [again] = store.claim_chunks(1, LONG)
    store.complete_chunk(job.id, again.index, again.token, WINNER, 9, 1, degraded=False)
    assert store.progress(job.id).waiting_for == ""


def test_a_chunk_fails_its_job_only_while_it_is_held(store: JobStore) -> None:
    job = a_planned_job(store, 2)
    (zombie,) = store.claim_chunks(1, OVER)
    (again,) = store.claim_chunks(1, LONG)
    assert again.index == zombie.index
    assert not store.fail_by_chunk(job.id, zombie.index, zombie.token, "late")
    assert store.get(job.id).state == "running"
    assert store.fail_by_chunk(job.id, again.index, again.token, "no table")
    assert not store.fail_by_chunk(job.id, again.index, again.token, "twice")
    assert (store.get(job.id).state, store.get(job.id).error) == ("failed", "no table")
    assert {chunk.state for chunk in store.chunks(job.id)} == {"failed"}


def test_an_error_is_kept_whatever_characters_it_holds(store: JobStore) -> None:
    job = a_planned_job(store, 1)
    assert store.fail(job.id, "column a\x00b\udcff")
    assert store.get(job.id).error == "column a\ufffdb?"
