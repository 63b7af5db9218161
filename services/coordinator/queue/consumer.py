"""What a coordinator pool process does, on one event loop: one engine, and the drains that feed it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from quorate.db import (
    ClaimedRequest,
    Database,
    JobStore,
    RegistryStore,
    RequestStore,
    migrate,
    open_database,
)
from quorate.errors import NotFound
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.settings import Settings
from services.coordinator.engine import CatalogWatcher, Engine, running_engine
from services.coordinator.gateway.messages import answer_message, read_tensors
from services.coordinator.jobs.context import JobContext
from services.coordinator.jobs.drain import JobDrain
from services.coordinator.jobs.runner import ChunkRunner
from services.coordinator.jobs.scorer import Scorer
from services.coordinator.jobs.steps import JobSteps
from services.coordinator.queue.bells import Bells
from services.coordinator.queue.hints import HintPublisher
from services.coordinator.queue.reconciler import Reconciler
from services.coordinator.queue.requests import RequestDrain
from services.coordinator.queue.threads import Threads

SQL_THREADS, FILE_THREADS = 4, 4
FIRST_CATALOG_SECONDS = 10.0


@dataclass(frozen=True)
class _Rim:
    """What reaches out of the process; let go of in one place."""

    database: Database
    hints: HintPublisher
    sql: Threads
    files: Threads


async def consume(settings: Settings, on_ready: Callable[[Bells], None]) -> None:
    """Answer submitted requests and score jobs until cancelled; then give claimed work back.

    `on_ready` is given the bells once everything stands. Raises what keeps the process from working at all.
    """
    async with _rim(settings) as rim:
        await asyncio.to_thread(migrate, rim.database)
        async with running_engine(settings, rim.database) as (engine, watcher):
            await asyncio.to_thread(watcher.wait_ready, FIRST_CATALOG_SECONDS)
            await _serve(settings, rim, engine, watcher, on_ready)


async def _serve(
    settings: Settings, rim: _Rim, engine: Engine, watcher: CatalogWatcher, on_ready: Callable[[Bells], None]
) -> None:
    registry = RegistryStore(rim.database)
    request_store, job_store = RequestStore(rim.database, settings.max_backlog), JobStore(rim.database)
    answerer = _Answerer(engine, watcher, registry, rim.sql)
    requests = RequestDrain(request_store, answerer.answer, rim.hints, rim.sql, settings.lease_seconds)
    context = JobContext(settings, job_store, registry, lambda: watcher.catalog, rim.sql, rim.files)
    jobs = JobDrain(JobSteps(context, ChunkRunner(context, Scorer(engine, settings.max_batch_rows))))
    bells = Bells(requests.wake, jobs.wake)
    reconciler = Reconciler(request_store, job_store, bells, rim.sql)
    async with asyncio.TaskGroup() as group:
        for part in (requests, jobs, reconciler):
            group.create_task(part.run())
        on_ready(bells)


class _Answerer:
    """Turns a claimed request into a serialised answer."""

    def __init__(self, engine: Engine, watcher: CatalogWatcher, registry: RegistryStore, sql: Threads) -> None:
        self._engine, self._watcher, self._registry, self._sql = engine, watcher, registry, sql

    async def answer(self, request: ClaimedRequest) -> bytes:
        message = pb.PredictRequest.FromString(request.payload)
        try:
            ensemble = self._watcher.catalog.resolve(request.ensemble, str(request.version))
        except NotFound:  # registered a moment ago: the catalog has not seen it yet
            registered = await self._sql.run(self._registry.get_ensemble, request.ensemble, request.version)
            ensemble = registered.ensemble
        answer = await self._engine.answer(ensemble, read_tensors(message.inputs), outputs=message.outputs)
        return answer_message(answer, message.id).SerializeToString()


@asynccontextmanager
async def _rim(settings: Settings) -> AsyncIterator[_Rim]:
    rim = _Rim(
        open_database(settings.resolved_database_url),
        HintPublisher(settings.broker_url),
        Threads("pool-sql", SQL_THREADS),
        Threads("pool-files", FILE_THREADS),
    )
    try:
        yield rim
    finally:
        await rim.hints.close()
        rim.sql.close()
        rim.files.close()
        rim.database.close()
