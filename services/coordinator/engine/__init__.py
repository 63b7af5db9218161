"""The engine: asks an ensemble's members at once, and answers from the quorum by the deadline."""

from services.coordinator.engine.catalog import Catalog, read_catalog
from services.coordinator.engine.engine import Engine
from services.coordinator.engine.running import running_engine
from services.coordinator.engine.watcher import CatalogWatcher

__all__ = ["Catalog", "CatalogWatcher", "Engine", "read_catalog", "running_engine"]
