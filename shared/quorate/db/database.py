"""The SQL database of a platform: opening it, its two kinds of transaction, and its schema's migrations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, StatementError

from quorate.db.json_values import dumps
from quorate.errors import Conflict, InvalidInput, QuorateError, Unavailable

BUSY_SECONDS = 30
"""How long a writer waits for another before it gives up."""
POOL: dict[str, Any] = {"pool_size": 8, "max_overflow": 24, "json_serializer": dumps}
MIGRATION_LOCK = 0x71756F72
"""Key of the PostgreSQL advisory lock under which one process at a time migrates."""


@dataclass(frozen=True)
class Database:
    """An engine with two kinds of transaction; every store takes one. May be used from any thread.

    Both raise Unavailable when the server does not answer or a lock is not to be had in time.
    """

    engine: Engine
    # SQLite lets one connection write at a time and makes the others poll for their turn. The threads of
    # a process queue here instead, so that only processes poll.
    _turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it waits for no writer."""
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that writes: committed at the end of the block, rolled back by an exception.

        On SQLite it holds the write lock from its start (BEGIN IMMEDIATE), so that what it reads stays true until
        it commits; keep it short, and open no second one inside.
        """
        turn = self._turn if self.is_sqlite else nullcontext()
        with self._translated(), turn, self.engine.connect() as connection:
            connection = connection.execution_options(quorate_writes=True)
            with connection.begin():
                yield connection

    def close(self) -> None:
        """Give every connection back; the object may not be used again."""
        self.engine.dispose()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            where = self.engine.url.render_as_string(hide_password=True)
            raise Unavailable(f"the database {where} does not answer: {error.orig}", retry_after_seconds=1.0) from error
        except StatementError as error:
            if isinstance(error.orig, QuorateError):  # a value that its column refused before it was sent
                raise error.orig from error
            raise


def open_database(url: str) -> Database:
    """Give the database at an SQLAlchemy URL; nothing connects before the first transaction.

    SQLite (a file, whose folder is made) and PostgreSQL (by psycopg 3) are known; InvalidInput refuses any other.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite_engine(parsed))
    options: dict[str, Any] = {**POOL, "pool_pre_ping": True}
    try:
        return Database(create_engine(parsed, connect_args={"connect_timeout": 10}, **options))
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"{error.name} is not installed, and PostgreSQL needs it: pip install 'psycopg[binary]'"
        ) from error


def _parse(url: str) -> URL:
    expected = "give sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidInput(f"the database URL cannot be read; {expected}") from error
    shown = parsed.render_as_string(hide_password=True)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise InvalidInput(f"{shown} is a database in memory, which no other process sees; {expected}")
        return parsed
    if parsed.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise InvalidInput(f"{shown} is no database that Quorate knows; {expected}")
    return parsed.set(drivername="postgresql+psycopg")


def _sqlite_engine(url: URL) -> Engine:
    assert url.database is not None
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, **POOL, connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver starts no transaction by itself; `begin` below does
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("quorate_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def migrate(database: Database) -> None:
    """Bring the schema to this version's. Any number of processes may call it at once; one of them does it.

    Conflict says that a newer Quorate has migrated the database already.
    """
    config = migration_config()
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    with database.read() as connection:
        heads = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := heads - known:
        raise Conflict(
            f"the database is at revision {sorted(unknown)}, which this version does not know; upgrade Quorate"
        )
    if heads == set(script.get_heads()):
        return
    with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE is the lock
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def migration_config() -> Config:
    """Alembic's configuration for the migrations that this package carries."""
    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    return config
