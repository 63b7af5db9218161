"""Alembic's entry: runs the migrations in the transaction that `quorate.db.database.migrate` has opened.

To add one, change `models.py` and run `alembic upgrade head && alembic revision --autogenerate -m "What changes"` with
QUORATE_HOME set to an empty folder; there the command opens the database that the settings name.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from quorate.db.database import open_database
from quorate.db.models import Base
from quorate.settings import load_settings


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite alters a table by copying it, and its DDL is transactional once BEGIN is ours.
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = open_database(load_settings().resolved_database_url)
    with database.write() as connection:
        run(connection)
    database.close()
