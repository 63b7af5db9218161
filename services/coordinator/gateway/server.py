"""The gateway put together: the catalog, the engine, the queue's near end, and the servicers in front of them."""

from __future__ import annotations

import asyncio

from quorate.db import Database, migrate, open_database
from quorate.rpc.inference import grpc_service_pb2_grpc as oip_rpc
from quorate.rpc.quorate.v1 import answers_pb2, jobs_pb2, registry_pb2
from quorate.rpc.quorate.v1 import answers_pb2_grpc as answers_rpc
from quorate.rpc.quorate.v1 import registry_pb2_grpc as registry_rpc
from quorate.serving.server import Listener, build_server, run_server
from quorate.settings import Settings
from services.coordinator.engine import CatalogWatcher, Engine, running_engine
from services.coordinator.gateway.answers import AnswersServicer
from services.coordinator.gateway.health import HealthReporter
from services.coordinator.gateway.oip import SERVICE, EnsembleServicer
from services.coordinator.gateway.registry import RegistryServicer
from services.coordinator.queue.gateway import QueueServices

SERVICES = (
    SERVICE,
    answers_pb2.DESCRIPTOR.services_by_name["Answers"].full_name,
    jobs_pb2.DESCRIPTOR.services_by_name["Jobs"].full_name,
    jobs_pb2.DESCRIPTOR.services_by_name["Files"].full_name,
    registry_pb2.DESCRIPTOR.services_by_name["Registry"].full_name,
    registry_pb2.DESCRIPTOR.services_by_name["Fits"].full_name,
)


async def serve_gateway(settings: Settings, listen: str) -> None:
    """Serve every registered ensemble until a signal; new versions are seen within a second."""
    listener = build_server(settings, listen, SERVICES)
    database = open_database(settings.resolved_database_url)
    try:
        await asyncio.to_thread(migrate, database)
        async with running_engine(settings, database) as (engine, watcher):
            await _serve(settings, listener, database, engine, watcher)
    finally:
        database.close()


async def _serve(
    settings: Settings, listener: Listener, database: Database, engine: Engine, watcher: CatalogWatcher
) -> None:
    queue = QueueServices(settings, database, lambda name, version: watcher.catalog.resolve(name, version))
    ensembles = EnsembleServicer(engine, lambda: watcher.catalog)
    server = listener.server
    oip_rpc.add_GRPCInferenceServiceServicer_to_server(ensembles, server)  # type: ignore[no-untyped-call]
    answers = AnswersServicer(engine, lambda: watcher.catalog, queue.submissions)
    answers_rpc.add_AnswersServicer_to_server(answers, server)  # type: ignore[no-untyped-call]
    registry = RegistryServicer(engine, lambda: watcher.catalog)
    registry_rpc.add_RegistryServicer_to_server(registry, server)  # type: ignore[no-untyped-call]
    queue.register(server)
    await queue.start()

    def draining() -> None:
        ensembles.drain()
        queue.drain()

    reporter = asyncio.create_task(HealthReporter(listener.health, engine, lambda: watcher.catalog).run())
    try:
        await run_server(listener, settings.drain_seconds, draining=draining, ready=False)
    finally:
        reporter.cancel()
        await asyncio.gather(reporter, return_exceptions=True)
        await queue.close()
