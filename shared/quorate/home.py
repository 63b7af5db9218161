"""The embedded platform's home folder: where its files are, and what its supervisor last wrote about it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

SUPERVISED_BY = "QUORATE_SUPERVISED_BY"
"""Environment variable that every supervised process, and whatever it starts, carries: its platform's home."""


@dataclass(frozen=True)
class ProcessState:
    """One supervised process. `state`: waiting, starting, running, unready, backoff or stopped."""

    name: str
    kind: str
    pid: int | None
    state: str
    address: str = ""
    restarts: int = 0
    member: str = ""


@dataclass(frozen=True)
class PlatformState:
    """The whole platform as its supervisor sees it; `gateway` and `redis` are HOST:PORT."""

    pid: int
    home: str
    gateway: str
    redis: str
    ready: bool
    processes: tuple[ProcessState, ...]

    def process(self, name: str) -> ProcessState | None:
        """Find a process by its own name, or a worker by its member's."""
        return next((process for process in self.processes if name in (process.name, process.member)), None)


def state_path(home: Path) -> Path:
    return home / "run" / "state.json"


def lock_path(home: Path) -> Path:
    return home / "run" / "supervisor.lock"


def log_path(home: Path, process: str) -> Path:
    return home / "logs" / f"{process}.log"


def write_state(home: Path, state: PlatformState) -> None:
    """Replace the state file in one step, so that no reader ever sees half of it."""
    path = state_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(state), indent=2) + "\n")
    temporary.replace(path)


def read_state(home: Path) -> PlatformState | None:
    """Read what a live supervisor last wrote; None where none is alive or it has not written yet."""
    pid = supervisor_pid(home)
    try:
        content = json.loads(state_path(home).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return _state_from(content) if pid is not None and content.get("pid") == pid else None


def supervisor_pid(home: Path) -> int | None:
    """Return the pid of the supervisor that is alive on this home, else None.

    The lock file outlives a killed supervisor and pids come round again, so the start time has to agree too.
    """
    try:
        holder = json.loads(lock_path(home).read_text())
        process = psutil.Process(holder["pid"])
        alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        return process.pid if alive and abs(process.create_time() - holder["started"]) < 1 else None
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None


def _state_from(content: Mapping[str, Any]) -> PlatformState:
    processes = tuple(ProcessState(**process) for process in content["processes"])
    return PlatformState(**{**content, "processes": processes})
