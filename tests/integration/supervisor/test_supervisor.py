"""The supervisor over small real processes: what it restarts, what it leaves, what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from quorate.home import ProcessState, log_path, read_state, state_path, supervisor_pid
from services.supervisor.orphans import orphans
from tests.support.servers import wait_until

SCRIPT = str(Path(__file__).with_name("small_platform.py"))
SLEEP = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
)
GRANDCHILD = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {SLEEP!r}]); time.sleep(600)"

Start = Callable[..., subprocess.Popen[bytes]]


def spec(name: str, code: str, kind: str = "worker", **more: object) -> dict[str, object]:
    return {"name": name, "kind": kind, "command": [sys.executable, "-c", code], **more}


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Start a supervisor of the given specs; whatever it started is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(*specs: dict[str, object], **options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, SCRIPT, str(home), json.dumps(specs)]
        started.append(subprocess.Popen(command, **options))  # type: ignore[call-overload]
        return started[-1]

    yield start_one
    for process in started:
        process.terminate()
        process.wait(20)
    for process in orphans(home):
        process.kill()


def running(home: Path, name: str) -> ProcessState | None:
    state = read_state(home)
    process = state.process(name) if state else None
    return process if process and process.state == "running" else None


def said(home: Path, name: str, words: str) -> bool:
    log = log_path(home, name)
    return log.exists() and words in log.read_text()


def alive(pid: int | None) -> bool:
    assert pid is not None
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_killed_process_is_started_again_and_its_restarts_are_counted(home: Path, start: Start) -> None:
    start(spec("steady", SLEEP), spec("victim", SLEEP))
    steady = wait_until(lambda: running(home, "steady"))
    first = wait_until(lambda: running(home, "victim"))
    os.kill(first.pid or 0, signal.SIGKILL)
    second = wait_until(lambda: (now := running(home, "victim")) and now.pid != first.pid and now)
    assert second.restarts == 1
    assert running(home, "steady") == steady


def test_a_process_that_keeps_dying_is_started_ever_more_rarely(home: Path, start: Start, tmp_path: Path) -> None:
    said_by_supervisor = tmp_path / "supervisor.log"
    with said_by_supervisor.open("w") as log:
        start(spec("doomed", "raise SystemExit('no')"), stdout=log, stderr=log)

    def waits() -> list[float]:
        plain = re.sub(r"\x1b\[\d*m", "", said_by_supervisor.read_text())
        return [float(seconds) for seconds in re.findall(r"restart_in_seconds=([\d.]+)", plain)]

    wait_until(lambda: len(waits()) >= 4, describe="four deaths in the supervisor's log")
    assert waits()[:4] == sorted(set(waits()[:4])), "each wait is longer than the one before"


def test_a_process_waits_for_those_that_it_needs(home: Path, start: Start) -> None:
    mute = spec("mute", SLEEP, probe="health", host="127.0.0.1")
    start(spec("late", SLEEP, needs=["mute"]), mute, spec("free", SLEEP))
    wait_until(lambda: running(home, "free"))
    state = read_state(home)
    assert state is not None
    assert {process.name: process.state for process in state.processes} == {
        "late": "waiting",
        "mute": "starting",
        "free": "running",
    }


def test_stopping_leaves_no_process_not_even_a_deaf_one_or_a_grandchild(home: Path, start: Start) -> None:
    supervisor = start(spec("deaf", STUBBORN, grace_seconds=0.3), spec("parent", GRANDCHILD))
    wait_until(lambda: said(home, "deaf", "deaf"))
    wait_until(lambda: len(orphans(home)) == 3, describe="two children and a grandchild")
    supervisor.terminate()
    assert supervisor.wait(20) == 0
    assert orphans(home) == []
    assert not state_path(home).exists()
    assert supervisor_pid(home) is None


def test_kinds_are_stopped_in_order(home: Path, start: Start) -> None:
    notes = home / "notes"
    code = f"""
import signal, sys, time
def end(*_):
    open({str(notes)!r}, "a").write(sys.argv[1] + "\\n"); sys.exit(0)
signal.signal(signal.SIGTERM, end); print("up", flush=True); time.sleep(600)"""
    kinds = ["redis", "worker", "pool", "gateway"]
    specs = [{"name": kind, "kind": kind, "command": [sys.executable, "-c", code, kind]} for kind in kinds]
    supervisor = start(*specs)
    for kind in kinds:
        wait_until(lambda kind=kind: said(home, kind, "up"))  # type: ignore[misc]
    supervisor.terminate()
    supervisor.wait(20)
    assert notes.read_text().split() == ["gateway", "pool", "worker", "redis"]


def test_a_second_supervisor_of_the_same_home_is_refused_and_names_the_first(home: Path, start: Start) -> None:
    first = start(spec("only", SLEEP))
    only = wait_until(lambda: running(home, "only"))
    second = start(spec("other", SLEEP), stderr=subprocess.PIPE)
    _, errors = second.communicate(timeout=20)
    assert second.returncode != 0
    assert f"already runs in {home} (pid {first.pid}" in errors.decode()
    assert running(home, "only") == only


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_supervisor_that_is_killed_takes_its_children_with_it(home: Path, start: Start) -> None:
    supervisor = start(spec("one", SLEEP), spec("two", SLEEP))
    children = [wait_until(lambda name=name: running(home, name)) for name in ("one", "two")]  # type: ignore[misc]
    supervisor.kill()
    supervisor.wait(10)
    wait_until(lambda: not any(alive(child.pid) for child in children), describe="the children are gone")
    assert read_state(home) is None  # what it wrote last is nobody's state


def test_the_next_supervisor_ends_what_a_killed_one_left(home: Path, start: Start) -> None:
    first = start(spec("parent", GRANDCHILD))
    wait_until(lambda: len(orphans(home)) == 2)
    first.kill()
    first.wait(10)
    [left] = wait_until(lambda: len(found := orphans(home)) == 1 and found)  # the grandchild
    start(spec("new", SLEEP))
    wait_until(lambda: running(home, "new"))
    assert not alive(left.pid)


def test_a_command_that_does_not_exist_says_so_in_its_log_and_harms_nobody(home: Path, start: Start) -> None:
    start({"name": "missing", "kind": "worker", "command": ["/no/such/program"]}, spec("other", SLEEP))
    wait_until(lambda: running(home, "other"))
    wait_until(lambda: said(home, "missing", "/no/such/program cannot be started"))
