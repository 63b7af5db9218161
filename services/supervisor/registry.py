"""Follows the registry in SQL, and keeps its endpoints of our own workers true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.exc import SQLAlchemyError

from quorate.db.registry import RegistryStore
from quorate.ensemble import Member
from quorate.errors import QuorateError
from services.supervisor.spec import ProcessSpec

WRITTEN_BY = "supervisor"
POLL_SECONDS = 0.5

log = structlog.get_logger()


class RegistryLink(threading.Thread):
    """A thread of its own, so that a database that hangs holds up nobody's restart.

    `workers` and `publish` only swap a reference; what was published is written as soon as the database takes it.
    """

    def __init__(self, store: RegistryStore, worker_of: Callable[[Member], ProcessSpec | None]) -> None:
        super().__init__(name="registry-link", daemon=True)
        self._store = store
        self._worker_of = worker_of
        self._revision = -1
        self._workers: tuple[ProcessSpec, ...] = ()
        self._wanted: Mapping[str, str] = {}
        self._written: dict[str, str] = {}
        self._unserved: set[str] = set()
        self._wake = threading.Event()
        self._closing = False

    def workers(self) -> tuple[ProcessSpec, ...]:
        return self._workers

    def publish(self, endpoints: Mapping[str, str]) -> None:
        self._wanted = dict(endpoints)
        self._wake.set()

    def run(self) -> None:
        """Until closed: read the members when the registry has changed, write the endpoints that have."""
        while not self._closing:
            self._wake.clear()
            self._synchronise()
            self._wake.wait(POLL_SECONDS)

    def close(self) -> None:
        """Take back every endpoint that was published, and end the thread."""
        self._closing = True
        self._wake.set()
        self.join()
        self._wanted = {}
        self._synchronise()

    def _synchronise(self) -> None:
        try:
            revision = self._store.revision()
            if revision != self._revision:
                self._read_members()
                self._revision = revision
            self._write_endpoints()
        except (QuorateError, SQLAlchemyError) as error:
            log.warning("registry not reached; trying again", error=str(error).splitlines()[0])

    def _read_members(self) -> None:
        registered = self._store.members()
        ours = {entry.member.name: entry.member for entry in registered if entry.source == "artifact"}
        if self._revision < 0:  # whatever an earlier supervisor published is gone
            self._written = dict.fromkeys(ours, "?")
        specs = {name: self._worker_of(member) for name, member in ours.items()}
        self._workers = tuple(spec for spec in specs.values() if spec is not None)
        for name in {name for name, spec in specs.items() if spec is None} - self._unserved:
            self._unserved.add(name)
            log.warning("no service looks at the member's views", member=name, views=list(ours[name].views))

    def _write_endpoints(self) -> None:
        wanted = self._wanted
        for member in {*wanted, *self._written}:
            address = wanted.get(member, "")
            if self._written.get(member, "") != address:
                self._store.replace_endpoints(member, (address,) if address else (), WRITTEN_BY)
                self._written[member] = address
