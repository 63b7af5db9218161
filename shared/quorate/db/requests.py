"""Submitted requests: accepted in bulk, claimed, and finished once; the answer waits here for its caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.sql.dml import ReturningUpdate

from quorate.db.claims import claim, count_free, insert_new, lease_end, new_id
from quorate.db.database import Database
from quorate.db.models import SubmittedRequest, now
from quorate.errors import NotFound, Overloaded

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
EXPIRED_KEPT_SECONDS = 3600.0
"""How long the failure of a request that expired unanswered is kept for who still asks."""
MOST_EXPIRED = 5000

Held = tuple[str, int]
"""A claim: the request's id and the token it was claimed with."""


@dataclass(frozen=True)
class NewRequest:
    """A request to accept. The same idempotency key (where there is one) stands for the same request."""

    ensemble: str
    version: int
    payload: bytes
    idempotency_key: str = ""
    priority: int = 0
    time_to_live_seconds: float = 3600.0


@dataclass(frozen=True)
class ClaimedRequest:
    """A request that is the claimer's until its lease runs out; `token` proves it when finishing."""

    id: str
    token: int
    ensemble: str
    version: int
    payload: bytes
    attempts: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class FinishedRequest:
    """What became of a claimed request: an answer, or (None) the error's code and message."""

    id: str
    token: int
    answer: bytes | None = None
    error_code: str = ""
    error: str = ""


@dataclass(frozen=True)
class StoredRequest:
    """A request as it stands. `state`: queued, running, done or failed; `error_code` is a domain error's name."""

    id: str
    state: str
    ensemble: str
    version: int
    answer: bytes | None
    error_code: str
    error: str
    created_at: datetime
    expires_at: datetime

    @property
    def ended(self) -> bool:
        return self.state in (DONE, FAILED)


class RequestStore:
    """Requests in SQL. Every method takes one transaction, however many requests it is given."""

    def __init__(self, database: Database, max_backlog: int = 100_000) -> None:
        self._database = database
        self._max_backlog = max_backlog

    def accept(self, requests: Sequence[NewRequest]) -> list[str]:
        """Keep the requests, all or none, and give each one's id, in order; a known idempotency key's own id.

        Overloaded where more than `max_backlog` would wait then.
        """
        at = now()
        rows = [_new_row(request, at + timedelta(microseconds=place)) for place, request in enumerate(requests)]
        keys = [row["idempotency_key"] for row in rows if row["idempotency_key"] is not None]
        with self._database.write() as connection:
            known = _ids_by_key(connection, keys)
            new = [row for row in rows if row["idempotency_key"] not in known]
            if new:
                self._require_room(connection, len(new))
                insert_new(connection, SubmittedRequest, new)
            if keys:
                known = _ids_by_key(connection, keys)
        return [known.get(row["idempotency_key"] or "", row["id"]) for row in rows]

    def claim(self, limit: int, lease_seconds: float) -> list[ClaimedRequest]:
        """Take up to `limit` requests: those with an expired lease, then by priority and age."""
        alive = SubmittedRequest.expires_at > now()
        with self._database.write() as connection:
            rows = claim(connection, SubmittedRequest, (RUNNING, QUEUED), RUNNING, limit, lease_seconds, [alive])
        return [ClaimedRequest(**_picked(row, ClaimedRequest)) for row in rows]

    def finish(self, finished: Sequence[FinishedRequest]) -> list[str]:
        """Keep the answers of those whose token is still the last one, and give their ids.

        What is missing from the list was claimed by another meanwhile, or has ended: its answer is dropped.
        """
        with self._database.write() as connection:
            held = _still_held(connection, [(one.id, one.token) for one in finished])
            accepted = {one.id: one for one in finished if (one.id, one.token) in held}
            if accepted:
                connection.execute(_FINISH, [_finished_row(one) for one in accepted.values()])
        return list(accepted)

    def extend(self, held: Sequence[Held], lease_seconds: float) -> list[str]:
        """Prolong the leases that are still held, and give their ids."""
        return self._update_held(held, lease_until=lease_end(lease_seconds))

    def release(self, held: Sequence[Held], delay_seconds: float = 0.0, error: str = "") -> list[str]:
        """Put claimed requests back in the queue, to be claimed no sooner than after the delay."""
        return self._update_held(held, state=QUEUED, lease_until=lease_end(delay_seconds), error=error)

    def get(self, request_id: str) -> StoredRequest:
        """One request; NotFound where there is none, or no longer."""
        found = self.get_many([request_id])
        if request_id not in found:
            raise NotFound(f"no request has the id {request_id!r}; it was never accepted, or its time to live is over")
        return found[request_id]

    def get_many(self, request_ids: Iterable[str]) -> dict[str, StoredRequest]:
        """The requests that there are, by id."""
        wanted = [SubmittedRequest.__table__.c[name] for name in StoredRequest.__dataclass_fields__]
        with self._database.read() as connection:
            rows = (
                connection.execute(select(*wanted).where(SubmittedRequest.id.in_(list(request_ids)))).mappings().all()
            )
        return {row["id"]: StoredRequest(**row) for row in rows}

    def expire(self) -> list[str]:
        """Fail what was not answered within its time to live, and give those ids; forget what ended before that.

        Takes the first few thousand that are over; whoever calls it does so again and again.
        """
        # By the time alone: with the state in it, SQLite would rather walk over all that has ended.
        over = select(SubmittedRequest.id, SubmittedRequest.state).where(SubmittedRequest.expires_at <= now())
        with self._database.write() as connection:
            rows = connection.execute(over.order_by(SubmittedRequest.expires_at).limit(MOST_EXPIRED)).all()
            ended = [request_id for request_id, state in rows if state in (DONE, FAILED)]
            connection.execute(delete(SubmittedRequest).where(SubmittedRequest.id.in_(ended)))
            late = [request_id for request_id, state in rows if state in (QUEUED, RUNNING)]
            return list(connection.scalars(_expired(late))) if late else []

    def due(self) -> int:
        """How many requests wait to be claimed, expired leases among them; counted up to 1000."""
        with self._database.read() as connection:
            return count_free(connection, SubmittedRequest, (QUEUED, RUNNING))

    def _require_room(self, connection: Connection, count: int) -> None:
        waiting = select(func.count()).select_from(SubmittedRequest).where(SubmittedRequest.state == QUEUED)
        backlog = connection.scalar(waiting) or 0
        if backlog + count > self._max_backlog:
            limit = f"the limit is {self._max_backlog} (QUORATE_MAX_BACKLOG)"
            raise Overloaded(f"{backlog} requests wait already; {limit}; submit again later", retry_after_seconds=1.0)

    def _update_held(self, held: Sequence[Held], **values: Any) -> list[str]:
        with self._database.write() as connection:
            ids = [request_id for request_id, _ in _still_held(connection, held)]
            connection.execute(update(SubmittedRequest).where(SubmittedRequest.id.in_(ids)).values(**values))
        return ids


# The payload is of no use once there is an answer, and would otherwise stay until its time to live is over.
_FINISH = (
    update(SubmittedRequest.__table__)  # type: ignore[arg-type]
    .where(SubmittedRequest.__table__.c.id == bindparam("key"))
    .values(
        state=bindparam("new_state"),
        answer=bindparam("new_answer"),
        error_code=bindparam("new_code"),
        error=bindparam("new_error"),
        payload=b"",
        lease_until=None,
    )
)


def _expired(ids: Sequence[str]) -> ReturningUpdate[tuple[str]]:
    unanswered = (SubmittedRequest.id.in_(ids), SubmittedRequest.state.in_((QUEUED, RUNNING)))
    failure = {"state": FAILED, "error_code": "DeadlineExceeded", "error": "not answered within its time to live"}
    kept = {"payload": b"", "lease_until": None, "expires_at": lease_end(EXPIRED_KEPT_SECONDS)}
    return update(SubmittedRequest).where(*unanswered).values(**failure, **kept).returning(SubmittedRequest.id)


def _finished_row(one: FinishedRequest) -> dict[str, Any]:
    state = FAILED if one.answer is None else DONE
    return {
        "key": one.id,
        "new_state": state,
        "new_answer": one.answer,
        "new_code": one.error_code,
        "new_error": one.error,
    }


def _new_row(request: NewRequest, at: datetime) -> dict[str, Any]:
    # Created a microsecond apart, so that a batch is claimed in its own order.
    return {
        "id": new_id(),
        "idempotency_key": request.idempotency_key or None,
        "ensemble": request.ensemble,
        "version": request.version,
        "payload": request.payload,
        "priority": request.priority,
        "state": QUEUED,
        "created_at": at,
        "expires_at": at + timedelta(seconds=request.time_to_live_seconds),
    }


def _ids_by_key(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    if not keys:
        return {}
    wanted = SubmittedRequest.idempotency_key.in_(keys)
    return {
        key: id_
        for key, id_ in connection.execute(select(SubmittedRequest.idempotency_key, SubmittedRequest.id).where(wanted))
        if key
    }


def _still_held(connection: Connection, held: Sequence[Held]) -> list[Held]:
    """Lock the running requests among these, in one order for everybody, and give those whose token is the last."""
    ids = [request_id for request_id, _ in held]
    running = (SubmittedRequest.id.in_(ids), SubmittedRequest.state == RUNNING)
    rows = select(SubmittedRequest.id, SubmittedRequest.token).where(*running).order_by(SubmittedRequest.id)
    wanted = set(held)
    return [(id_, token) for id_, token in connection.execute(rows.with_for_update()) if (id_, token) in wanted]


def _picked(row: RowMapping, record: type[ClaimedRequest]) -> dict[str, Any]:
    return {name: row[name] for name in record.__dataclass_fields__}
