"""What every step of a job needs: the stores, the pinned ensemble, threads for SQL and for files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from quorate.db import JobStore, RegistryStore, StoredJob
from quorate.ensemble import Ensemble
from quorate.errors import NotFound
from quorate.settings import Settings
from quorate.tables import Roles
from services.coordinator.engine import Catalog
from services.coordinator.jobs.binding import roles_of
from services.coordinator.jobs.output import checked_columns
from services.coordinator.queue.threads import Threads


@dataclass(frozen=True)
class JobOptions:
    """What a job was created with, beside its ensemble and places."""

    chunk_rows: int
    allow_degraded: bool
    columns: tuple[str, ...]


def job_options(job: StoredJob) -> JobOptions:
    return JobOptions(
        int(job.options["chunk_rows"]), bool(job.options["allow_degraded"]), checked_columns(job.options["columns"])
    )


@dataclass(frozen=True)
class JobContext:
    """Shared by the steps of one process."""

    settings: Settings
    store: JobStore
    registry: RegistryStore
    catalog: Callable[[], Catalog]
    sql: Threads
    files: Threads
    _roles: dict[tuple[str, int], Roles] = field(default_factory=dict)

    async def ensemble_of(self, job: StoredJob) -> tuple[Ensemble, Roles]:
        """Return the version that the job has pinned, and the roles of its training table's columns."""
        key = (job.ensemble, job.version)
        if key not in self._roles:
            registered = await self.sql.run(self.registry.get_ensemble, *key)
            self._roles[key] = roles_of(registered.ensemble, registered.lineage)
        try:
            return self.catalog().resolve(job.ensemble, str(job.version)), self._roles[key]
        except NotFound:  # registered a moment ago: this process's catalog has not seen it
            registered = await self.sql.run(self.registry.get_ensemble, *key)
            return registered.ensemble, self._roles[key]

    def lease_seconds(self, ensemble: Ensemble | None = None) -> float:
        """How long a claim of a chunk holds: long enough for two calls of the ensemble (or of any) at its slowest."""
        ensembles = self.catalog().ensembles() if ensemble is None else (ensemble,)
        longest = max((one.policy.deadline_seconds for one in ensembles), default=0.0)
        return max(self.settings.lease_seconds, 2 * longest)
