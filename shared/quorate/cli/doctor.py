"""`quorate doctor`: whether this machine has what the platform needs, and the remedy where it has not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from quorate.cli.options import Home, Json, settings_of
from quorate.cli.output import print_json, print_table
from quorate.errors import QuorateError, Unavailable

FREE_BYTES = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


def doctor(home: Home = None, as_json: Json = False) -> None:
    """Look at everything that the platform needs; exits with 1 where something is missing."""
    findings = list(_findings(home))
    if as_json:
        print_json(findings)
    else:
        rows = [("ok" if finding.ok else "MISSING", finding.what, finding.detail) for finding in findings]
        print_table(("", "what", "found, or remedy"), rows)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _findings(home: Path | None) -> Iterator[Finding]:
    from quorate.cli.extras import MODULES

    yield Finding("Python", sys.version_info >= (3, 11), sys.version.split()[0])
    for extra in MODULES:
        yield _examined(f"extra {extra}", lambda extra=extra: _extra(extra))  # type: ignore[misc]
    yield _examined("Redis server", _redis)
    yield _examined("settings", lambda: str(settings_of(home).home))
    yield _examined("home", lambda: _home(settings_of(home).home))
    yield _examined("database", lambda: _database(home))
    yield _examined("store", lambda: _store(settings_of(home).resolved_store_url))
    yield Finding("platform", True, _platform(home))


def _examined(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except (QuorateError, OSError) as error:
        return Finding(what, False, str(error))


def _extra(extra: str) -> str:
    from quorate.cli.extras import missing_modules

    if missing := missing_modules(extra):
        raise Unavailable(f"{', '.join(missing)} not installed: pip install 'quorate[{extra}]'")
    return "installed"


def _redis() -> str:
    import subprocess

    from quorate.redis_server import redis_executable

    executable = redis_executable()
    said = subprocess.run([executable, "--version"], capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    return f"{executable}: {said.stdout.split(' sha')[0].strip()}"


def _home(home: Path) -> str:
    import shutil

    home.mkdir(parents=True, exist_ok=True)
    probe = home / ".doctor"
    probe.write_bytes(b"")
    probe.unlink()
    free = shutil.disk_usage(home).free
    if free < FREE_BYTES:
        raise Unavailable(f"{home} has {free / 2**30:.1f} GiB free; make room for at least 1 GiB")
    return f"{home}, {free / 2**30:.0f} GiB free"


def _database(home: Path | None) -> str:
    from quorate.cli.options import registry

    with registry(home) as store:
        return f"{len(store.members())} member versions, {len(store.ensembles())} ensemble versions"


def _store(url: str) -> str:
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url)
        fs.makedirs(path, exist_ok=True)
        fs.pipe_file(f"{path}/.doctor", b"")
        fs.rm_file(f"{path}/.doctor")
    except (ImportError, ValueError) as error:
        raise Unavailable(f"{url} cannot be opened: {error}") from error
    return url


def _platform(home: Path | None) -> str:
    from quorate.home import read_state

    state = read_state(settings_of(home).home)
    return f"runs, gateway {state.gateway}" if state else "does not run; `quorate up` starts it"
