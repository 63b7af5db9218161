"""The database: its schema's migrations, alone and in a race, and its transactions, on SQLite and on PostgreSQL."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from quorate.db.database import Database, migrate, migration_config, open_database
from quorate.db.models import Base
from quorate.errors import Conflict, InvalidInput, Unavailable
from tests.support.processes import process_context


def migrate_when_told(url: str, start: threading.Barrier) -> None:
    database = open_database(url)
    start.wait(30)
    migrate(database)
    with database.read() as connection:
        rows = connection.scalar(text("SELECT count(*) FROM registry_revision"))
    database.close()
    assert rows == 1


def test_migrations_and_models_describe_the_same_schema(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    context = process_context()
    start = context.Barrier(4)
    processes = [context.Process(target=migrate_when_told, args=(empty_database_url, start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4


def test_threads_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    failures: list[BaseException] = []
    start = threading.Barrier(8)

    def run() -> None:
        try:
            migrate_when_told(empty_database_url, start)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_migrated_database_goes_back_to_nothing(database: Database) -> None:
    config = migration_config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_a_database_of_a_newer_quorate_is_refused(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match="9999"):
        migrate(database)


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def half_a_write() -> None:
        with database.write() as connection:
            connection.execute(text("UPDATE registry_revision SET revision = 7"))
            raise KeyError("stop")

    with pytest.raises(KeyError):
        half_a_write()
    with database.read() as connection:
        assert connection.scalar(text("SELECT revision FROM registry_revision")) == 0


def test_sqlite_is_durable_and_checks_its_references(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'made' / 'here.db'}")
    with database.read() as connection:
        settings = [
            connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    database.close()
    assert settings == ["wal", 1, 1]


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("mysql://u:secret@h/d", "mysql"),
        ("sqlite://", "memory"),
        ("sqlite:///:memory:", "memory"),
        ("not a url", "cannot be read"),
    ],
)
def test_an_unknown_database_is_refused_with_the_remedy(url: str, names: str) -> None:
    with pytest.raises(InvalidInput, match=names) as refused:
        open_database(url)
    assert "sqlite:///FILE" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_not_there_is_unavailable_and_keeps_its_password() -> None:
    database = open_database("postgresql://me:secret@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as refused:
        migrate(database)
    assert "secret" not in str(refused.value)
