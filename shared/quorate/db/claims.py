"""Claiming: a lease with a fencing token, the same for requests, jobs, chunks and fits.

What is claimed belongs to its claimer until the lease runs out; then anybody may claim it again, and the token
grows. A write that carries an older token finds nothing to change, so who wakes up late can spoil nothing.
Waiting work whose lease lies in the future is work put off: nobody holds it, and nobody may claim it yet.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, func, inspect, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import RowMapping

from quorate.db.models import Claimable, now

Condition = ColumnElement[bool]
COUNTED = 1000
_ID = re.compile("[0-9a-f]{32}")


def new_id() -> str:
    """An id that nobody else makes: 32 hexadecimal digits."""
    return uuid.uuid4().hex


def is_id(text: str) -> bool:
    """Whether `new_id` may have made it."""
    return _ID.fullmatch(text) is not None


def lease_end(lease_seconds: float) -> datetime:
    return now() + timedelta(seconds=lease_seconds)


def is_free(model: type[Claimable]) -> Condition:
    """Whether nobody holds a lease on it at this moment."""
    return or_(model.lease_until.is_(None), model.lease_until <= now())


def is_held(model: type[Claimable], state: str, token: int) -> Condition:
    """Whether the claim with this token is still the last one; its lease may have run out, unless claimed again."""
    return and_(model.state == state, model.token == token)


def claim(
    connection: Connection,
    model: type[Claimable],
    states: Sequence[str],
    into: str,
    limit: int,
    lease_seconds: float,
    where: Sequence[Condition] = (),
    **values: Any,
) -> list[RowMapping]:
    """Take up to `limit` rows that are free, in the order of their priority and age, and give them as they are now.

    `states` are searched in turn. Rows that another transaction is taking are passed over (PostgreSQL), or there
    is no other transaction (SQLite). `values` are set on what is taken.
    """
    keys: list[Any] = []
    for state in states:
        keys += _lock(connection, model, limit - len(keys), [model.state == state, is_free(model), *where])
    if not keys:
        return []
    table, key = _table(model), _key(model)
    taken = (
        update(table)
        .where(key.in_(keys))
        .values(
            state=into,
            token=table.c.token + 1,
            attempts=table.c.attempts + 1,
            lease_until=lease_end(lease_seconds),
            **values,
        )
        .returning(*table.c)
    )
    rows = connection.execute(taken).mappings().all()
    return sorted(rows, key=lambda row: (-row["priority"], row["created_at"]))


def _lock(connection: Connection, model: type[Claimable], limit: int, conditions: list[Condition]) -> list[Any]:
    """Lock the first free rows and give their keys, priority by priority.

    The index runs by state, priority and age, all upwards: it gives the oldest rows of one priority, and the highest
    priority, without sorting a long queue; ordering by both at once would sort all of it at each claim.
    """
    key = inspect(model).primary_key
    keys: list[Any] = []
    below: list[Condition] = []
    while len(keys) < limit:
        highest = select(model.priority).where(*conditions, *below).order_by(model.priority.desc()).limit(1)
        priority = connection.scalar(highest)
        if priority is None:
            break
        oldest = (
            select(*key)
            .where(*conditions, model.priority == priority)
            .order_by(model.created_at)
            .limit(limit - len(keys))
            .with_for_update(skip_locked=True)
        )
        keys += [row[0] if len(key) == 1 else tuple(row) for row in connection.execute(oldest)]
        below = [model.priority < priority]
    return keys


def count_free(connection: Connection, model: type[Claimable], states: Sequence[str]) -> int:
    """How many rows could be claimed at this moment, counted up to COUNTED: a long queue is not walked to its end."""
    free = select(model.state).where(model.state.in_(states), is_free(model)).limit(COUNTED).subquery()
    return connection.scalar(select(func.count()).select_from(free)) or 0


def _table(model: type[Claimable]) -> Table:
    table = inspect(model).local_table
    assert isinstance(table, Table)
    return table


def _key(model: type[Claimable]) -> ColumnElement[Any]:
    columns = inspect(model).primary_key
    return columns[0] if len(columns) == 1 else tuple_(*columns)


def insert_new(connection: Connection, model: type[Claimable], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose unique keys are not taken, and pass over the others."""
    # Two writers that insert the same keys in different orders would wait for one another on PostgreSQL.
    ordered = sorted(rows, key=lambda row: row["idempotency_key"] or "")
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(_table(model)).on_conflict_do_nothing(), ordered)
    else:
        connection.execute(postgresql.insert(_table(model)).on_conflict_do_nothing(), ordered)
