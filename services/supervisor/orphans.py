"""Processes of a platform whose supervisor is gone."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import structlog

from quorate.home import SUPERVISED_BY

log = structlog.get_logger()


def orphans(home: Path) -> list[psutil.Process]:
    """Find every process that some supervisor of this home started, or that was started by such a one.

    They carry the home in their environment, which a pid file could not say of a grandchild or of a reused pid.
    """
    return [process for process in psutil.process_iter() if _home_of(process) == str(home)]


def end_orphans(home: Path, grace_seconds: float) -> int:
    """Terminate, then kill, whatever is left of this home's platform; return how many there were."""
    found = orphans(home)
    for process in found:
        log.warning("orphan ended", pid=process.pid, home=str(home))
        _signal(process.terminate if grace_seconds > 0 else process.kill)
    _, alive = psutil.wait_procs(found, timeout=grace_seconds)
    for process in alive:
        _signal(process.kill)
    psutil.wait_procs(alive, timeout=5)
    return len(found)


def _home_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(SUPERVISED_BY)
    except (psutil.Error, OSError):  # gone meanwhile, or another user's
        return None


def _signal(send: Callable[[], None]) -> None:
    with suppress(psutil.NoSuchProcess):
        send()
