"""Fixtures that every kind of test shares; servers start once a session, and only when a test asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import PostgresServer, RedisServer, postgres_server, redis_server


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
