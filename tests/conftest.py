"""Fixtures that every kind of test shares; servers start once a session, and only when a test asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from quorate.db.database import Database, migrate, open_database
from tests.support.digits import ServedDigits, served_digits
from tests.support.servers import PostgresServer, RedisServer, postgres_server, redis_server

# A busy machine is no counterexample.
hypothesis.settings.register_profile("quorate", deadline=None)
hypothesis.settings.load_profile("quorate")


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A real Redis that the whole session shares; a test that kills or wipes it starts its own `redis_server()`."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL cluster that the whole session shares; take a database of your own with `create_database()`."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of the platform, set as QUORATE_HOME for this test and what it starts."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("QUORATE_HOME", str(folder))
    return folder


def migrated(url: str) -> str:
    database = open_database(url)
    migrate(database)
    database.close()
    return url


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated file to copy, since migrating takes far longer than copying."""
    path = tmp_path_factory.mktemp("migrated") / "quorate.db"
    migrated(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: PostgresServer) -> str:
    """The name of a migrated database to copy."""
    name = postgres.create_database()
    migrated(postgres.url(name))
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a migrated database of the test's own: a SQLite file, then a PostgreSQL database."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "quorate.db")
        yield f"sqlite:///{tmp_path / 'quorate.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database(request.getfixturevalue("migrated_postgres"))
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(params=["sqlite", "postgres"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As `database_url`, before any migration."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'quorate.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = server.create_database()
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open, migrated database of the test's own, on SQLite and then on PostgreSQL."""
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDigits]:
    """A platform that serves three members trained on real digits; leave it as you found it."""
    with served_digits(tmp_path_factory.mktemp("digits") / "home") as served:
        yield served
