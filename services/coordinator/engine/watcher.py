"""Keeps a catalog current: a thread reads the registry's revision, and the rest only when that has moved."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from quorate.db.registry import RegistryStore
from services.coordinator.engine.catalog import Catalog, read_catalog

log = structlog.get_logger(__name__)


class CatalogWatcher:
    """Owns the current `catalog`; any thread may read it, since a new one replaces the old whole."""

    def __init__(self, store: RegistryStore, poll_seconds: float = 0.5) -> None:
        self._store = store
        self._poll_seconds = poll_seconds
        self._listeners: list[Callable[[Catalog], None]] = []
        self._stopped = threading.Event()
        self._read = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="catalog-watcher", daemon=True)
        self.catalog = Catalog()

    @property
    def ready(self) -> bool:
        """Whether the registry has been read at least once."""
        return self._read.is_set()

    def subscribe(self, listener: Callable[[Catalog], None]) -> None:
        """Call `listener` in the watcher's thread with each new catalog, and at once with one already read."""
        self._listeners.append(listener)
        if self.ready:
            listener(self.catalog)

    def start(self) -> None:
        """Start watching; returns at once, whether SQL answers or not."""
        self._thread.start()

    def wait_ready(self, timeout_seconds: float) -> bool:
        """Wait for the first catalog; False if it is not there by then."""
        return self._read.wait(timeout_seconds)

    def stop(self) -> None:
        """Stop the thread; the last catalog stays."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def refresh(self) -> None:
        """Read the registry now, if its revision has moved."""
        if self.ready and self._store.revision() == self.catalog.revision:
            return
        self.catalog = read_catalog(self._store)
        self._read.set()
        for listener in self._listeners:
            listener(self.catalog)

    def _watch(self) -> None:
        failing = False
        while not self._stopped.is_set():
            try:
                self.refresh()
                failing = False
            except Exception as error:  # SQL may be away for a while; the last catalog serves on until it is back
                if not failing:
                    log.warning("registry cannot be read; the last catalog stays", error=str(error))
                failing = True
            self._stopped.wait(self._poll_seconds)
