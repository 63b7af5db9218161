"""Fits: training and combiner fitting, claimed by the tuner pool and followed by whoever asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, insert, or_, select, update

from quorate.db.claims import claim, count_free, is_held, lease_end, new_id
from quorate.db.database import Database
from quorate.db.json_values import nan_as_null
from quorate.db.models import Fit, now
from quorate.errors import NotFound

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
STALL_SECONDS = 1800.0
"""How long a fit may stay at one step and progress and still have its lease prolonged."""


@dataclass(frozen=True)
class NewFit:
    """A fit to keep. `kind`: table (train members) or ensemble (fit a live ensemble's combiner)."""

    kind: str
    name: str
    dataset_url: str
    options: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 0
    id: str = field(default_factory=new_id)


@dataclass(frozen=True)
class StoredFit:
    """A fit as it stands. `state`: queued, running, done or failed; `progress` from 0 to 1."""

    id: str
    kind: str
    name: str
    dataset_url: str
    options: Mapping[str, Any]
    state: str
    error: str
    step: str
    progress: float
    result: Mapping[str, Any] | None
    token: int
    attempts: int
    created_at: datetime
    updated_at: datetime

    @property
    def ended(self) -> bool:
        return self.state in (DONE, FAILED)


_COLUMNS = [Fit.__table__.c[name] for name in StoredFit.__dataclass_fields__]


class FitStore:
    """Fits in SQL; a write with an old token changes nothing and gives False."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, fit: NewFit) -> StoredFit:
        """Keep a fit, to be claimed."""
        row = {"id": fit.id, "kind": fit.kind, "name": fit.name, "dataset_url": fit.dataset_url}
        row |= {"options": dict(fit.options), "priority": fit.priority, "state": QUEUED}  # type: ignore[dict-item]
        with self._database.write() as connection:
            connection.execute(insert(Fit), row)
        return self.get(fit.id)

    def get(self, fit_id: str) -> StoredFit:
        """One fit; NotFound where there is none."""
        with self._database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(Fit.id == fit_id)).mappings().first()
        if row is None:
            raise NotFound(f"no fit has the id {fit_id!r}; starting one gives its id")
        return StoredFit(**row)

    def list(self, limit: int = 100) -> tuple[StoredFit, ...]:
        """The newest fits, newest first."""
        newest = select(*_COLUMNS).order_by(Fit.created_at.desc()).limit(limit)
        with self._database.read() as connection:
            return tuple(StoredFit(**row) for row in connection.execute(newest).mappings())

    def claim(self, lease_seconds: float) -> StoredFit | None:
        """Take one fit: one with an expired lease, then by priority and age. Its `token` proves the claim."""
        with self._database.write() as connection:
            rows = claim(
                connection, Fit, (RUNNING, QUEUED), RUNNING, 1, lease_seconds, step="", progress=0.0, updated_at=now()
            )
        return StoredFit(**{name: rows[0][name] for name in StoredFit.__dataclass_fields__}) if rows else None

    def heartbeat(
        self,
        fit_id: str,
        token: int,
        step: str,
        progress: float,
        lease_seconds: float,
        stall_seconds: float = STALL_SECONDS,
    ) -> bool:
        """Say where the fit is, and prolong its lease unless it has not moved for `stall_seconds`. False: lost."""
        at = now()
        moved = or_(Fit.step != step, Fit.progress != progress)
        alive = or_(moved, Fit.updated_at > at - timedelta(seconds=stall_seconds))
        return self._update(
            fit_id,
            token,
            step=step,
            progress=progress,
            updated_at=case((moved, at), else_=Fit.updated_at),
            lease_until=case((alive, lease_end(lease_seconds)), else_=Fit.lease_until),
        )

    def finish(self, fit_id: str, token: int, result: Mapping[str, Any]) -> bool:
        """Keep the result and end the fit. False: another has claimed it since, and this result is dropped."""
        kept = nan_as_null(result)
        return self._update(
            fit_id, token, state=DONE, result=kept, progress=1.0, error="", updated_at=now(), lease_until=None
        )

    def fail(self, fit_id: str, token: int, error: str) -> bool:
        """End the fit with its error. False: another has claimed it since."""
        return self._update(fit_id, token, state=FAILED, error=error, updated_at=now(), lease_until=None)

    def release(self, fit_id: str, token: int, error: str = "", delay_seconds: float = 0.0) -> bool:
        """Put the fit back in the queue, to be claimed no sooner than after the delay. False: lost."""
        return self._update(fit_id, token, state=QUEUED, error=error, lease_until=lease_end(delay_seconds))

    def due(self) -> int:
        """How many fits wait to be claimed, expired leases among them; counted up to 1000."""
        with self._database.read() as connection:
            return count_free(connection, Fit, (QUEUED, RUNNING))

    def _update(self, fit_id: str, token: int, **values: Any) -> bool:
        held = (Fit.id == fit_id, is_held(Fit, RUNNING, token))
        with self._database.write() as connection:
            return connection.execute(update(Fit).where(*held).values(**values)).rowcount == 1
