"""Submitted requests, on SQLite and on PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from quorate.db.database import Database
from quorate.db.requests import FinishedRequest, NewRequest, RequestStore
from quorate.errors import NotFound, Overloaded
from tests.support.servers import wait_until

LONG, OVER = 60.0, 0.0


def a_request(payload: bytes = b"question", **changes: object) -> NewRequest:
    return NewRequest("pets", 1, payload, **changes)  # type: ignore[arg-type]


@pytest.fixture
def store(database: Database) -> RequestStore:
    return RequestStore(database)


def test_an_accepted_request_is_claimed_answered_and_read(store: RequestStore) -> None:
    (request_id,) = store.accept([a_request()])
    assert store.get(request_id).state == "queued"
    (claimed,) = store.claim(10, LONG)
    assert (claimed.id, claimed.ensemble, claimed.version, claimed.payload) == (request_id, "pets", 1, b"question")
    assert (claimed.token, claimed.attempts) == (1, 1)
    assert store.finish([FinishedRequest(request_id, claimed.token, b"answer")]) == [request_id]
    found = store.get(request_id)
    assert (found.state, found.answer, found.ended) == ("done", b"answer", True)
    assert store.claim(10, LONG) == []


def test_a_failure_keeps_its_code_and_message(store: RequestStore) -> None:
    (request_id,) = store.accept([a_request()])
    (claimed,) = store.claim(1, LONG)
    store.finish([FinishedRequest(request_id, claimed.token, None, "NotQuorate", "2 of 3 are missing")])
    found = store.get(request_id)
    assert (found.state, found.answer, found.error_code, found.error) == (
        "failed",
        None,
        "NotQuorate",
        "2 of 3 are missing",
    )


def test_ids_come_in_the_order_of_the_requests(store: RequestStore) -> None:
    ids = store.accept([a_request(bytes([i % 256])) for i in range(300)])
    claimed = store.claim(1000, LONG)
    assert [one.id for one in claimed] == ids
    assert [one.payload[0] for one in claimed[:256]] == list(range(256))


def test_the_same_idempotency_key_is_the_same_request(store: RequestStore) -> None:
    twice = store.accept([a_request(idempotency_key="k"), a_request(), a_request(idempotency_key="k")])
    assert twice[0] == twice[2] != twice[1]
    assert store.accept([a_request(idempotency_key="k")]) == [twice[0]]
    assert len(store.claim(10, LONG)) == 2


def test_one_key_submitted_by_many_at_once_is_one_request(store: RequestStore) -> None:
    keys = [f"key-{i}" for i in range(8)]

    def submit(turn: int) -> list[str]:
        order = keys if turn % 2 else keys[::-1]
        ids = store.accept([a_request(idempotency_key=key) for key in order])
        return ids if turn % 2 else ids[::-1]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(16)))
    assert all(ids == answers[0] for ids in answers)
    assert len(store.claim(1000, LONG)) == len(keys)


def test_higher_priority_goes_first_then_age(store: RequestStore) -> None:
    low, high, higher = store.accept([a_request(priority=0), a_request(priority=5), a_request(priority=9)])
    (old_low,) = store.accept([a_request(priority=0)])
    assert [one.id for one in store.claim(3, LONG)] == [higher, high, low]
    assert [one.id for one in store.claim(3, LONG)] == [old_low]


def test_past_the_backlog_a_request_is_refused_and_a_known_one_is_not(database: Database) -> None:
    store = RequestStore(database, max_backlog=3)
    ids = store.accept([a_request(idempotency_key=str(i)) for i in range(3)])
    with pytest.raises(Overloaded, match="limit is 3") as refused:
        store.accept([a_request()])
    assert refused.value.retry_after_seconds
    assert store.accept([a_request(idempotency_key="1")]) == [ids[1]]
    store.claim(1, LONG)
    assert len(store.accept([a_request()])) == 1


def test_an_expired_lease_comes_back_first_and_its_old_token_is_refused(store: RequestStore) -> None:
    ids = store.accept([a_request(), a_request()])
    (zombie,) = store.claim(1, OVER)
    (again,) = store.claim(1, LONG)
    assert zombie.id == again.id == ids[0]
    assert (again.token, again.attempts) == (2, 2)
    assert store.finish([FinishedRequest(zombie.id, zombie.token, b"late")]) == []
    assert store.get(zombie.id).state == "running"
    assert store.finish([FinishedRequest(again.id, again.token, b"right")]) == [again.id]
    assert store.finish([FinishedRequest(zombie.id, zombie.token, b"later")]) == []
    assert store.get(again.id).answer == b"right"


def test_a_lease_that_ran_out_unclaimed_may_still_finish(store: RequestStore) -> None:
    store.accept([a_request()])
    (claimed,) = store.claim(1, OVER)
    assert store.finish([FinishedRequest(claimed.id, claimed.token, b"answer")]) == [claimed.id]


def test_in_a_batch_only_the_held_ones_are_finished(store: RequestStore) -> None:
    store.accept([a_request() for _ in range(4)])
    claimed = store.claim(4, LONG)
    finished = [FinishedRequest(one.id, one.token + (place % 2), b"a") for place, one in enumerate(claimed)]
    assert set(store.finish(finished)) == {claimed[0].id, claimed[2].id}


def test_an_extended_lease_is_not_claimed(store: RequestStore) -> None:
    store.accept([a_request(), a_request()])
    kept, lost = store.claim(2, OVER)
    assert store.extend([(kept.id, kept.token), (lost.id, lost.token + 1)], LONG) == [kept.id]
    assert [one.id for one in store.claim(2, LONG)] == [lost.id]


def test_a_released_request_waits_for_its_delay(store: RequestStore) -> None:
    (request_id,) = store.accept([a_request()])
    (claimed,) = store.claim(1, LONG)
    assert store.release([(request_id, claimed.token)], delay_seconds=0.3, error="no member there") == [request_id]
    assert store.claim(1, LONG) == []
    assert store.due() == 0
    (again,) = wait_until(lambda: store.claim(1, LONG), describe="the delay is over")
    assert again.token == 2
    assert store.release([(request_id, claimed.token)]) == []


def test_due_counts_what_could_be_claimed(store: RequestStore) -> None:
    assert store.due() == 0
    store.accept([a_request() for _ in range(3)])
    store.claim(1, LONG)
    assert store.due() == 2
    store.claim(1, OVER)
    assert store.due() == 2


def test_an_unanswered_request_expires_as_a_failure_and_is_never_claimed(store: RequestStore) -> None:
    late, running = store.accept([a_request(time_to_live_seconds=0.6), a_request(time_to_live_seconds=0.6)])
    answered, fresh = store.accept([a_request(time_to_live_seconds=0.6), a_request()])
    claims = {one.id: one.token for one in store.claim(3, LONG)}
    assert set(claims) == {late, running, answered}
    store.finish([FinishedRequest(answered, claims[answered], b"in time")])
    store.release([(late, claims[late])])
    failed: list[str] = []
    wait_until(lambda: failed.extend(store.expire()) or len(failed) == 2, describe="two requests expire")
    assert set(failed) == {late, running}
    assert store.get(late).error_code == "DeadlineExceeded"
    assert store.finish([FinishedRequest(running, claims[running], b"too late")]) == []
    assert [one.id for one in store.claim(10, LONG)] == [fresh]
    wait_until(lambda: store.expire() == [] and answered not in store.get_many([answered]), describe="it is forgotten")
    with pytest.raises(NotFound, match=answered):
        store.get(answered)


def test_what_was_never_accepted_is_not_found(store: RequestStore) -> None:
    with pytest.raises(NotFound, match="nothing"):
        store.get("nothing")
    (there,) = store.accept([a_request()])
    assert set(store.get_many([there, "nothing"])) == {there}


def test_nothing_at_all_is_no_error(store: RequestStore) -> None:
    assert store.accept([]) == []
    assert store.claim(0, LONG) == []
    assert store.finish([]) == []
    assert store.extend([], LONG) == []
    assert store.get_many([]) == {}
    assert store.expire() == []
