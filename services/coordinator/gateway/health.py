"""What the gateway's health says: serving once the catalog was read, and each ensemble under its own name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from grpc_health.v1 import health_pb2

from quorate.errors import NotFound
from quorate.serving.server import Health
from services.coordinator.engine import Catalog, Engine

PERIOD_SECONDS = 0.5
_STATUS = health_pb2.HealthCheckResponse


class HealthReporter:
    """Keeps the health service true; runs as one task of the gateway's loop."""

    def __init__(self, health: Health, engine: Engine, catalog: Callable[[], Catalog]) -> None:
        self._health = health
        self._engine = engine
        self._catalog = catalog
        self._said: dict[str, bool] = {}

    async def run(self) -> None:
        """Report every change until cancelled."""
        serving = False
        while True:
            if not serving and self._catalog().revision >= 0:
                serving = True
                await self._health.set_ready(True)
            await self._report_ensembles()
            await asyncio.sleep(PERIOD_SECONDS)

    async def _report_ensembles(self) -> None:
        catalog = self._catalog()
        for name in {*catalog.versions, *self._said}:
            ready = self._is_ready(catalog, name)
            if self._said.get(name) is not ready:
                self._said[name] = ready
                await self._health.set(name, _STATUS.SERVING if ready else _STATUS.NOT_SERVING)

    def _is_ready(self, catalog: Catalog, name: str) -> bool:
        """Whether the version that a caller gets who names none could answer now."""
        try:
            return self._engine.is_ready(catalog.resolve(name))
        except NotFound:
            return False
