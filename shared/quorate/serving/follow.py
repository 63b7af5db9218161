"""The registry followed: every registered version of the worker's member gets loaded, without a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from quorate.serving.repository import Repository, Version

log = structlog.get_logger(__name__)
V = TypeVar("V", bound=Version)
V_co = TypeVar("V_co", bound=Version, covariant=True)


class VersionSource(Protocol[V_co]):
    """Where versions are registered; asked from the follower's thread."""

    def revision(self) -> int:
        """Return a number that changes with every registration; cheap."""
        ...

    def versions(self) -> Iterable[V_co]:
        """Return every version of the member."""
        ...


class Follower(Generic[V]):
    """A thread that reads the revision every `poll_seconds`, and loads what is new while calls go on."""

    def __init__(self, source: VersionSource[V], repository: Repository[V, Any], poll_seconds: float = 0.5) -> None:
        self._source = source
        self._repository = repository
        self._poll_seconds = poll_seconds
        self._stopping = threading.Event()
        self._refreshing = threading.Lock()
        self._seen: int | None = None
        self._again = False
        self._failures = 0
        self._thread = threading.Thread(target=self._run, name="registry-follower", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Stop following; a load that has begun is waited for, up to the limit."""
        self._stopping.set()
        self._thread.join(timeout_seconds)

    def refresh(self) -> None:
        """Learn of versions registered up to now, without loading them; from any thread."""
        with self._refreshing:
            revision = self._source.revision()
            if revision != self._seen:
                self._repository.offer(self._source.versions())
                self._seen = revision
                self._again = True

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._poll()
            self._stopping.wait(self._poll_seconds * min(20, 1 + self._failures))

    def _poll(self) -> None:
        """Load what is new; go on after any failure, since a database that is away takes no worker down."""
        try:
            self.refresh()
            if self._again:
                self._again = False
                self._again = self._repository.load_wanted()
            self._failures = self._failures + 1 if self._again else 0
        except Exception as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("registry_not_read", member=self._repository.name, reason=str(error))
