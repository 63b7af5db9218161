"""The platform under the demo: started by the `quorate` command, like a user's, and stopped again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from quorate.client import Client
from quorate.errors import NotFound, QuorateError, TryAgain, Unavailable
from quorate.home import PlatformState, read_state

READY_SECONDS = 90


@contextmanager
def running_platform(home: Path) -> Iterator[PlatformState]:
    """Start the embedded platform on `home` and stop it again; one that already runs is used, and left running."""
    state = read_state(home)
    if state is not None:
        yield state
        return
    quorate(home, "up", "--detach")
    try:
        yield state_of(home)
    finally:
        quorate(home, "down")


def state_of(home: Path) -> PlatformState:
    state = read_state(home)
    if state is None:
        raise Unavailable(f"the platform on {home} has gone; see `quorate logs` for why")
    return state


def quorate(home: Path, *arguments: str) -> None:
    """Run a `quorate` command on `home`; QuorateError with its own words where it fails."""
    command = [sys.executable, "-m", "quorate.cli", *arguments, "--home", str(home)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip()
        raise QuorateError(f"`quorate {' '.join(arguments)}` failed: {said}")


def wait_until_ready(client: Client, name: str, version: int) -> None:
    """Wait until this ensemble's members are loaded and warm."""
    wait_for(lambda: _is_ready(client, name, version), f"{name}:{version} to be ready")


def _is_ready(client: Client, name: str, version: int) -> bool:
    found = [each for each in client.ensembles() if (each.name, each.version) == (name, version)]
    return bool(found) and found[0].ready


def kill_worker(home: Path, member: str) -> None:
    """Kill the member's worker outright, as the kernel does when memory runs out, and wait until it is gone."""
    process = state_of(home).process(member)
    if process is None or process.pid is None:
        raise NotFound(f"no worker of {member!r} runs on {home}; see `quorate status`")
    worker = psutil.Process(process.pid)
    os.kill(worker.pid, signal.SIGKILL)
    psutil.wait_procs([worker], timeout=10)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Ask until it holds; Unavailable after a minute and a half."""
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            if condition():
                return
        except TryAgain:
            pass  # whatever is still starting is asked again
        time.sleep(0.1)
    raise Unavailable(f"waited {READY_SECONDS} s for {what}; see `quorate logs`")
