"""The engine beside the catalog that it follows, for a process's composition root."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from quorate.db import Database, RegistryStore
from quorate.settings import Settings
from services.coordinator.engine.engine import Engine
from services.coordinator.engine.watcher import CatalogWatcher


@asynccontextmanager
async def running_engine(settings: Settings, database: Database) -> AsyncIterator[tuple[Engine, CatalogWatcher]]:
    """An engine on this event loop that follows the registry; both stop with the block."""
    loop = asyncio.get_running_loop()
    watcher = CatalogWatcher(RegistryStore(database))
    engine = Engine(settings, lambda: watcher.catalog)
    await engine.start()

    def changed(_: object) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody asks any more
            loop.call_soon_threadsafe(engine.catalog_changed)

    watcher.subscribe(changed)
    watcher.start()
    try:
        yield engine, watcher
    finally:
        await asyncio.to_thread(watcher.stop)
        await engine.close()
