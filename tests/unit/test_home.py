"""What is known of a platform from its home alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil

from quorate.home import PlatformState, ProcessState, lock_path, read_state, supervisor_pid, write_state

WORKER = ProcessState("worker-pets-text", "worker", 7, "running", "127.0.0.1:9", 0, "pets-text")


def hold_lock(home: Path, started: float) -> None:
    lock_path(home).parent.mkdir(parents=True, exist_ok=True)
    lock_path(home).write_text(json.dumps({"pid": os.getpid(), "started": started}))


def state_of(pid: int) -> PlatformState:
    return PlatformState(pid, "/home", "127.0.0.1:1", "127.0.0.1:2", True, (WORKER,))


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    hold_lock(tmp_path, psutil.Process().create_time())
    write_state(tmp_path, state_of(os.getpid()))
    assert read_state(tmp_path) == state_of(os.getpid())


def test_a_state_whose_supervisor_is_gone_is_no_state(tmp_path: Path) -> None:
    write_state(tmp_path, state_of(os.getpid()))
    assert read_state(tmp_path) is None
    hold_lock(tmp_path, started=1.0)  # the pid belongs to somebody else by now
    assert supervisor_pid(tmp_path) is None
    assert read_state(tmp_path) is None


def test_a_worker_is_found_by_its_member_too() -> None:
    state = state_of(1)
    assert state.process("pets-text") == state.process("worker-pets-text") == WORKER
    assert state.process("pets-image") is None
