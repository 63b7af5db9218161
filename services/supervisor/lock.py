"""One supervisor a home."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from quorate.errors import Conflict
from quorate.home import lock_path, read_state


@contextmanager
def sole_supervisor(home: Path) -> Iterator[None]:
    """Hold the home's lock, with this process's pid in it; Conflict names the supervisor that holds it already.

    The kernel lets go of the lock when its holder dies, however it dies, and children do not inherit it.
    """
    path = lock_path(home)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Conflict(_who_holds_it(home, path)) from error
        _write_holder(path)
        try:
            yield
        finally:
            file.truncate(0)


def _write_holder(path: Path) -> None:
    holder = {"pid": os.getpid(), "started": psutil.Process().create_time()}
    path.write_text(json.dumps(holder))


def _who_holds_it(home: Path, path: Path) -> str:
    state = read_state(home)
    gateway = f", gateway {state.gateway}" if state else ""
    try:
        pid = json.loads(path.read_text())["pid"]
    except (ValueError, KeyError):
        pid = "unknown"
    return (
        f"a platform already runs in {home} (pid {pid}{gateway}); stop it with `quorate down`, or choose another --home"
    )
