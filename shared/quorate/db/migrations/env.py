"""Alembic's entry: runs the migrations in the transaction that `quorate.db.database.migrate` has opened."""

from __future__ import annotations

from alembic import context

from quorate.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite alters a table by copying it, and its DDL is transactional once BEGIN is ours.
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
