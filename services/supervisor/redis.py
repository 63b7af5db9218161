"""How the platform's own Redis is run."""

from __future__ import annotations

import secrets
from pathlib import Path

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
