"""Sixteen writers race for the same work, as threads and as processes, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from quorate.db.database import Database, open_database
from quorate.db.job_records import ClaimedChunk, NewChunk, NewJob
from quorate.db.jobs import JobStore
from quorate.db.requests import FinishedRequest, NewRequest, RequestStore
from tests.support.processes import process_context
from tests.support.servers import wait_until

WRITERS = 16
LONG = 60.0


def drain_requests(store: RequestStore, start: Any) -> list[str]:
    """Claim and finish until nothing is left; give the ids that this writer finished."""
    finished: list[str] = []
    start.wait(60)
    while claimed := store.claim(7, LONG):
        finished += store.finish([FinishedRequest(one.id, one.token, one.payload) for one in claimed])
    return finished


def drain_chunks(store: JobStore, start: Any) -> list[int]:
    """Claim and complete until nothing is left; give the chunks that this writer completed."""
    won: list[int] = []
    start.wait(60)
    while claimed := store.claim_chunks(2, LONG):
        won += [one.index for one in claimed if store.complete_chunk(one.job_id, one.index, one.token, {}, one.rows, 0)]
    return won


def drain_in_a_process(url: str, drain: Callable[[Any, Any], list[Any]], start: Any, results: Any) -> None:
    database = open_database(url)
    store = RequestStore(database) if drain is drain_requests else JobStore(database)
    results.put(drain(store, start))
    database.close()


def with_threads(writer: Callable[[], list[Any]]) -> list[list[Any]]:
    with ThreadPoolExecutor(WRITERS) as pool:
        return [future.result() for future in [pool.submit(writer) for _ in range(WRITERS)]]


def with_processes(url: str, drain: Callable[[Any, Any], list[Any]]) -> list[list[Any]]:
    context = process_context()
    start, results = context.Barrier(WRITERS), context.Queue()
    processes = [context.Process(target=drain_in_a_process, args=(url, drain, start, results)) for _ in range(WRITERS)]
    for process in processes:
        process.start()
    finished = [results.get(timeout=90) for _ in processes]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * WRITERS
    return finished


def a_running_job(store: JobStore, chunks: int) -> str:
    job = store.create(NewJob("pets", 1, "file:///rows", "file:///out"))
    planner = store.claim_planning(LONG)
    assert planner is not None
    assert store.plan(job.id, planner.token, [NewChunk("file:///rows", i, 1) for i in range(chunks)], chunks)
    return job.id


def assert_each_once(finished: list[list[Any]], expected: set[Any]) -> None:
    counted = Counter(one for part in finished for one in part)
    assert set(counted) == expected
    assert set(counted.values()) == {1}


def test_threads_finish_every_request_exactly_once(database: Database) -> None:
    store = RequestStore(database)
    ids = set(store.accept([NewRequest("pets", 1, b"payload") for _ in range(1000)]))
    start = threading.Barrier(WRITERS)
    finished = with_threads(lambda: drain_requests(store, start))
    assert_each_once(finished, ids)
    assert all(found.state == "done" for found in store.get_many(ids).values())
    assert sum(bool(part) for part in finished) > 1


def test_processes_finish_every_request_exactly_once(database: Database, database_url: str) -> None:
    store = RequestStore(database)
    ids = set(store.accept([NewRequest("pets", 1, b"payload") for _ in range(1000)]))
    finished = with_processes(database_url, drain_requests)
    assert_each_once(finished, ids)
    assert sum(bool(part) for part in finished) > 1


def test_threads_complete_every_chunk_exactly_once_and_the_job_is_finalised_once(database: Database) -> None:
    store = JobStore(database)
    job_id = a_running_job(store, 200)
    start = threading.Barrier(WRITERS)
    assert_each_once(with_threads(lambda: drain_chunks(store, start)), set(range(200)))
    assert store.get(job_id).state == "finalising"
    claims = with_threads(lambda: [store.claim_finalising(LONG)])
    assert sum(claim is not None for (claim,) in claims) == 1


def test_processes_complete_every_chunk_exactly_once(database: Database, database_url: str) -> None:
    store = JobStore(database)
    job_id = a_running_job(store, 200)
    assert_each_once(with_processes(database_url, drain_chunks), set(range(200)))
    progress = store.progress(job_id)
    assert (progress.job.state, progress.rows_done, progress.chunks_done) == ("finalising", 200, 200)


def test_two_last_chunks_completed_at_once_still_finalise_their_job(database: Database) -> None:
    store = JobStore(database)
    for _ in range(25):
        job_id = a_running_job(store, 2)
        start = threading.Barrier(2)

        def complete(chunk: ClaimedChunk, start: threading.Barrier = start) -> bool:
            start.wait(30)
            return store.complete_chunk(chunk.job_id, chunk.index, chunk.token, {}, 1, 0)

        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(complete, store.claim_chunks(2, LONG))) == [True, True]
        assert store.get(job_id).state == "finalising"


def test_chunks_whose_claimers_die_or_wake_up_late_are_still_completed_exactly_once(database: Database) -> None:
    store = JobStore(database)
    job_id = a_running_job(store, 60)
    turns = itertools.count()

    def is_taken_over(claimed: ClaimedChunk) -> bool:
        chunk = store.chunks(job_id)[claimed.index]
        return chunk.attempts > claimed.attempts or chunk.state == "done"

    def writer() -> list[int]:
        turn = next(turns)
        fate, won = random.Random(turn), []
        while store.get(job_id).state == "running":
            for one in store.claim_chunks(3, 0.05):
                luck = fate.random() if turn % 2 else 1.0  # every other writer is reliable
                if luck < 0.3:
                    continue  # dies with the chunk in hand
                if luck < 0.6:
                    wait_until(partial(is_taken_over, one), describe="another has the sleeper's chunk")
                if store.complete_chunk(one.job_id, one.index, one.token, {"attempt": one.token}, 1, 0):
                    won.append(one.index)
        return won

    assert_each_once(with_threads(writer), set(range(60)))
    assert store.progress(job_id).rows_done == 60
