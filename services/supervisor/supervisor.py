"""The loop that keeps a set of processes alive, and in the end leaves none behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import structlog

from quorate.home import PlatformState, state_path, write_state
from services.supervisor.child import Child, State
from services.supervisor.orphans import end_orphans
from services.supervisor.spec import ProcessSpec, RestartPolicy, Stage

TICK_SECONDS = 0.05

log = structlog.get_logger()


class Registry(Protocol):
    """What the supervisor hears of members, and says of endpoints. Neither call may block."""

    def workers(self) -> tuple[ProcessSpec, ...]:
        """Return the worker that every registered member should have now."""
        ...

    def publish(self, endpoints: Mapping[str, str]) -> None:
        """Make known where each member's worker answers."""
        ...


class Supervisor:
    """Runs in a process's main thread until `stop` is called, from a signal handler or another thread."""

    def __init__(
        self,
        home: Path,
        specs: Iterable[ProcessSpec],
        registry: Registry | None = None,
        policy: RestartPolicy | None = None,
        gateway: str = "",
    ) -> None:
        self._home = home
        self._registry = registry
        self._policy = policy or RestartPolicy()
        self._gateway = gateway
        self._children: dict[str, Child] = {}
        # Plain flags: a signal handler that sets a threading.Event may find its lock held by the code it interrupts.
        self._stopping = False
        self._hurrying = False
        self._ready = False
        self._written: PlatformState | None = None
        self._published: Mapping[str, str] = {}
        for spec in specs:
            self._adopt(spec)

    def run(self) -> None:
        """Keep everything alive until told to stop, then stop it in order."""
        try:
            while not self._stopping:
                self._tick()
                time.sleep(TICK_SECONDS)
        finally:
            self._shut_down()

    def stop(self) -> None:
        """Ask `run` to end; asked a second time, it waits for nobody."""
        self._hurrying = self._stopping
        self._stopping = True

    def _tick(self) -> None:
        self._adopt_new_workers()
        for child in self._children.values():
            if child.state is State.WAITING and all(self._is_running(name) for name in child.spec.needs):
                child.start()
            child.step()
        self._ready = self._ready or self._all_running()
        self._publish_endpoints()
        self._write_state()

    def _adopt(self, spec: ProcessSpec) -> None:
        self._children[spec.name] = Child(spec, self._home, self._policy)

    def _adopt_new_workers(self) -> None:
        for spec in self._registry.workers() if self._registry is not None else ():
            if spec.name not in self._children:
                self._adopt(spec)

    def _is_running(self, name: str) -> bool:
        return self._children[name].state is State.RUNNING

    def _all_running(self) -> bool:
        """Tell whether the platform itself is up; a member that cannot be loaded does not keep it from being so."""
        platform = (child for child in self._children.values() if child.spec.kind is not Stage.WORKER)
        return all(child.state is State.RUNNING for child in platform)

    def _publish_endpoints(self) -> None:
        """Say where workers answer from their first readiness on; one that died comes back at the same address."""
        endpoints = dict(self._published)
        for child in self._children.values():
            if child.spec.member and child.state is State.RUNNING:
                endpoints[child.spec.member] = child.address
        if self._registry is not None and endpoints != self._published:
            self._registry.publish(endpoints)
            self._published = endpoints

    def _write_state(self) -> None:
        processes = tuple(child.snapshot() for child in self._children.values())
        redis = next((process.address for process in processes if process.kind == Stage.REDIS), "")
        state = PlatformState(os.getpid(), str(self._home), self._gateway, redis, self._ready, processes)
        if state != self._written:
            write_state(self._home, state)
            self._written = state

    def _shut_down(self) -> None:
        self._ready = False
        log.info("stopping", home=str(self._home))
        for stage in Stage:
            self._stop_stage([child for child in self._children.values() if child.spec.kind is stage])
        end_orphans(self._home, grace_seconds=0)
        state_path(self._home).unlink(missing_ok=True)
        log.info("stopped", home=str(self._home))

    def _stop_stage(self, children: list[Child]) -> None:
        for child in children:
            child.terminate()
        asked_at = time.monotonic()
        while unfinished := [child for child in children if not child.finished()]:
            waited = time.monotonic() - asked_at
            for child in unfinished:
                if self._hurrying or waited > child.spec.grace_seconds:
                    child.kill()
            time.sleep(0.02)
        self._write_state()
