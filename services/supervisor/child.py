"""One supervised process: started, watched, started again with backoff, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import structlog

from quorate.home import SUPERVISED_BY, ProcessState, log_path
from services.supervisor.ports import free_port, is_free, join_address
from services.supervisor.probes import Readiness, probe_of
from services.supervisor.spec import ProcessSpec, RestartPolicy

LAUNCH = str(Path(__file__).with_name("launch.py"))
MAX_LOG_BYTES = 20 * 2**20
STARTING_PROBE_SECONDS = 0.1
RUNNING_PROBE_SECONDS = 2.0

log = structlog.get_logger()


class State(StrEnum):
    """Where a process stands."""

    WAITING = "waiting"
    """For the processes that it needs."""
    STARTING = "starting"
    RUNNING = "running"
    UNREADY = "unready"
    """It was running, lives on, and no longer says that it is ready."""
    BACKOFF = "backoff"
    STOPPED = "stopped"


class Child:
    """Keeps one process alive. Only the supervisor's main thread may call it.

    The kernel ties a child's life to the very thread that started it, so that thread must live as long.
    """

    def __init__(
        self, spec: ProcessSpec, home: Path, policy: RestartPolicy, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.spec = spec
        self.state = State.WAITING
        self.restarts = 0
        self.address = ""
        self._home = home
        self._policy = policy
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._readiness: Readiness | None = None
        self._killed = False
        self._failures = 0
        self._started_at = 0.0
        self._next_start = 0.0
        self._next_probe = 0.0

    def step(self) -> None:
        """Do what is due: notice a death, start again, ask whether it is ready."""
        if self._process is not None and self._process.poll() is not None:
            self._died(self._process.returncode)
        elif self.state is State.BACKOFF and self._clock() >= self._next_start:
            self.restarts += 1
            self.start()
        elif self._readiness is not None and self._clock() >= self._next_probe:
            self._ask(self._readiness)

    def start(self) -> None:
        """Start the process, with its output appended to its log."""
        self._place()
        command = [part.format(**self._places()) for part in self.spec.command]
        launch = [sys.executable, "-I", "-S", LAUNCH, str(os.getpid()), *command]
        with _open_log(log_path(self._home, self.spec.name)) as output:
            self._process = subprocess.Popen(  # noqa: S603
                launch,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C is for the supervisor alone, which stops its children in order
            )
        self._started_at = self._clock()
        self._next_probe = self._started_at
        self._readiness = probe_of(self.spec, self.address, self._process.pid)
        self.state = State.STARTING
        log.info("process started", name=self.spec.name, pid=self._process.pid, address=self.address)

    def terminate(self) -> None:
        """Ask the process to end; a later `finished` says whether it has."""
        if self._process is None:
            self.state = State.STOPPED
        else:
            self._process.terminate()

    def kill(self) -> None:
        """End the process, and whatever it started, now."""
        if self._process is not None and not self._killed:
            self._killed = True
            log.warning("process killed", name=self.spec.name, pid=self._process.pid)
            _kill_group(self._process.pid)

    def finished(self) -> bool:
        """Tell whether nothing of the process is left."""
        if self._process is not None and self._process.poll() is not None:
            log.info("process stopped", name=self.spec.name, status=self._process.returncode)
            self._forget()
            self.state = State.STOPPED
        return self._process is None

    def snapshot(self) -> ProcessState:
        pid = self._process.pid if self._process is not None else None
        spec = self.spec
        return ProcessState(spec.name, spec.kind.value, pid, self.state.value, self.address, self.restarts, spec.member)

    def _died(self, status: int) -> None:
        ran_seconds = self._clock() - self._started_at
        self._failures = 1 if ran_seconds >= self._policy.stable_seconds else self._failures + 1
        delay = self._policy.delay_seconds(self._failures)
        self._forget()
        self._next_start = self._clock() + delay
        self.state = State.BACKOFF
        log.warning("process died", name=self.spec.name, status=status, restart_in_seconds=delay)

    def _forget(self) -> None:
        """Drop the dead process, and end what it may have started: its group outlives it."""
        assert self._process is not None
        _kill_group(self._process.pid)
        self._process = None
        if self._readiness is not None:
            self._readiness.close()
            self._readiness = None

    def _ask(self, readiness: Readiness) -> None:
        ready = readiness.ready()
        if ready is None:
            return
        if ready and self.state is not State.RUNNING:
            seconds = round(self._clock() - self._started_at, 2)
            log.info("process ready", name=self.spec.name, address=self.address, seconds=seconds)
        if ready:
            self.state = State.RUNNING
        elif self.state is State.RUNNING:
            self.state = State.UNREADY
        self._next_probe = self._clock() + (RUNNING_PROBE_SECONDS if ready else STARTING_PROBE_SECONDS)

    def _place(self) -> None:
        """Choose where it listens: as given, else where it was before, else on a free port."""
        host = self.spec.host
        if not host:
            return
        before = int(self.address.rpartition(":")[2] or 0)
        free = before if before and is_free(host, before) else free_port(host)
        self.address = join_address(host, self.spec.port or free)

    def _places(self) -> Mapping[str, str]:
        return {"address": self.address, "host": self.spec.host, "port": self.address.rpartition(":")[2]}

    def _environment(self) -> dict[str, str]:
        return {**os.environ, **self.spec.environment, SUPERVISED_BY: str(self._home)}


def _open_log(path: Path) -> BinaryIO:
    """Open the log to append to; one that has grown large becomes NAME.log.1 first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")


def _kill_group(pid: int) -> None:
    # Nobody may be left; of a group of zombies macOS says "not permitted".
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
