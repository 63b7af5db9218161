"""Other projects' clients and servers, in a venv of their own beside the checkout's: `.venv-peers`."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "tests/conformance/requirements.txt"
VENV = ROOT / ".venv-peers"


def peers_python() -> Path:
    """Return the peers' interpreter, installing them first where they are not; skips where they cannot be had."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    stamp, python = VENV / "installed", VENV / "bin/python"
    VENV.mkdir(exist_ok=True)
    with (VENV / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _install(python)
            stamp.write_text(wanted)
    return python


def _install(python: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS]
    installed = subprocess.run(pip, capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(f"the peers (tritonclient, MLServer) could not be installed: {installed.stderr[-500:]}")
