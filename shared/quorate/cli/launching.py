"""Starting a supervisor in the background, and stopping one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from quorate.cli.tailing import last_lines
from quorate.errors import Conflict, Unavailable
from quorate.home import PlatformState, log_path, read_state, supervisor_pid

READY_SECONDS = 120.0
WORKERS_SECONDS = 60.0
STOP_SECONDS = 90.0


def refuse_second(home: Path) -> None:
    """Raise Conflict where a platform runs in this home already."""
    pid = supervisor_pid(home)
    if pid is not None:
        state = read_state(home)
        gateway = f", gateway {state.gateway}" if state else ""
        raise Conflict(f"a platform already runs in {home} (pid {pid}{gateway}); stop it with `quorate down` first")


def start_detached(command: Sequence[str], home: Path) -> tuple[PlatformState, tuple[str, ...]]:
    """Start the supervisor and wait until the platform is ready; return its state, and which workers are not yet.

    Unavailable, with the last line of the supervisor's log, where it ends instead.
    """
    log = log_path(home, "supervisor")
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        state = _wait_ready(process, home)
    except KeyboardInterrupt:
        stop(home)
        raise
    give_up = time.monotonic() + WORKERS_SECONDS
    while (unready := _unready(state)) and time.monotonic() < give_up and process.poll() is None:
        time.sleep(0.1)
        state = read_state(home) or state
    return state, unready


def stop(home: Path) -> int | None:
    """Stop the supervisor and all that it started; return its pid, None where none ran."""
    pid = supervisor_pid(home)
    if pid is None:
        return None
    with suppress(psutil.NoSuchProcess):
        supervisor = psutil.Process(pid)
        supervisor.terminate()
        give_up = time.monotonic() + STOP_SECONDS
        # A zombie has ended; where nobody reaps it (a container without an init) it would be waited for for ever.
        while supervisor.is_running() and supervisor.status() != psutil.STATUS_ZOMBIE:
            if time.monotonic() > give_up:
                supervisor.kill()
                raise Unavailable(f"the platform (pid {pid}) did not stop within {STOP_SECONDS:.0f} s and was killed")
            time.sleep(0.05)
    return pid


def _wait_ready(process: subprocess.Popen[bytes], home: Path) -> PlatformState:
    give_up = time.monotonic() + READY_SECONDS
    while time.monotonic() < give_up:
        state = read_state(home)
        if state is not None and state.pid == process.pid and state.ready:
            return state
        if process.poll() is not None:
            said = [line for line in last_lines(log_path(home, "supervisor"), 1) if line]
            raise Unavailable(said[0].removeprefix("error: ") if said else "the platform ended at its start")
        time.sleep(0.05)
    waiting = ", ".join(_not_running(read_state(home)))
    stop(home)
    raise Unavailable(
        f"the platform was not ready within {READY_SECONDS:.0f} s and is stopped; "
        f"it waited for {waiting}: see `quorate logs`"
    )


def _unready(state: PlatformState) -> tuple[str, ...]:
    return tuple(each.name for each in state.processes if each.kind == "worker" and each.state != "running")


def _not_running(state: PlatformState | None) -> tuple[str, ...]:
    return tuple(each.name for each in state.processes if each.state != "running") if state else ("supervisor",)
