"""The first schema: the registry, evaluations, and the work that is claimed."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def instant(name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def claimable() -> list[sa.Column[Any]]:
    """What every claimed table has: its state, and the lease with its fencing token."""
    return [
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        instant("lease_until", nullable=True),
        instant("created_at"),
        sa.Column("error", sa.Text, nullable=False),
    ]


def queue_index(table: str) -> None:
    op.create_index(f"ix_{table}_state_priority_created_at", table, ["state", "priority", "created_at"])


def upgrade() -> None:
    create_registry()
    create_evaluations()
    create_requests()
    create_jobs()
    create_fits()


def create_registry() -> None:
    revision_table = op.create_table(
        "registry_revision",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_registry_revision"),
    )
    op.bulk_insert(revision_table, [{"id": 1, "revision": 0}])
    op.create_table(
        "member_versions",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("artifact_url", sa.Text, nullable=False),
        sa.Column("artifact_digest", sa.String(80), nullable=False),
        sa.Column("description", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        instant("created_at"),
        sa.PrimaryKeyConstraint("name", "version", name="pk_member_versions"),
    )
    op.create_table(
        "endpoints",
        sa.Column("member", sa.String(120), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("written_by", sa.String(16), nullable=False),
        instant("created_at"),
        sa.PrimaryKeyConstraint("member", "address", name="pk_endpoints"),
    )
    op.create_table(
        "ensemble_versions",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("description", sa.JSON, nullable=False),
        sa.Column("lineage", sa.JSON, nullable=False),
        instant("created_at"),
        sa.PrimaryKeyConstraint("name", "version", name="pk_ensemble_versions"),
    )
    op.create_table(
        "ensemble_aliases",
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("alias", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        instant("updated_at"),
        sa.PrimaryKeyConstraint("name", "alias", name="pk_ensemble_aliases"),
    )


def create_evaluations() -> None:
    op.create_table(
        "evaluations",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("dataset_hash", sa.String(80), nullable=False),
        sa.Column("part", sa.String(40), nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        instant("created_at"),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
    )
    op.create_index("ix_evaluations_kind_name_version", "evaluations", ["kind", "name", "version"])
    op.create_table(
        "evaluation_metrics",
        sa.Column("evaluation_id", sa.String(32), nullable=False),
        sa.Column("metric", sa.String(60), nullable=False),
        sa.Column("value", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=True),
        sa.Column("high", sa.Float(53), nullable=True),
        sa.ForeignKeyConstraint(
            ["evaluation_id"], ["evaluations.id"], name="fk_evaluation_metrics_evaluation_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("evaluation_id", "metric", name="pk_evaluation_metrics"),
    )


def create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("ensemble", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=True),
        sa.Column("error_code", sa.String(40), nullable=False),
        instant("expires_at"),
        *claimable(),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
        sa.UniqueConstraint("idempotency_key", name="uq_requests_idempotency_key"),
    )
    queue_index("requests")
    op.create_index("ix_requests_expires_at", "requests", ["expires_at"])


def create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("idempotency_key", sa.String(200), nullable=True),
        sa.Column("ensemble", sa.String(120), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("input_url", sa.Text, nullable=False),
        sa.Column("output_url", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("chunks", sa.Integer, nullable=False),
        sa.Column("manifest", sa.JSON, nullable=True),
        instant("started_at", nullable=True),
        instant("ended_at", nullable=True),
        *claimable(),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("idempotency_key", name="uq_jobs_idempotency_key"),
    )
    op.create_index("ix_jobs_state", "jobs", ["state"])
    op.create_table(
        "chunks",
        sa.Column("job_id", sa.String(32), nullable=False),
        sa.Column("index", sa.Integer, nullable=False),
        sa.Column("source_url", sa.Text, nullable=False),
        sa.Column("first_row", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("rows_done", sa.Integer, nullable=False),
        sa.Column("rows_rejected", sa.Integer, nullable=False),
        sa.Column("winner", sa.JSON, nullable=True),
        sa.Column("degraded", sa.Boolean, nullable=False),
        *claimable(),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_chunks_job_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "index", name="pk_chunks"),
    )
    queue_index("chunks")


def create_fits() -> None:
    op.create_table(
        "fits",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("dataset_url", sa.Text, nullable=False),
        sa.Column("options", sa.JSON, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("progress", sa.Float, nullable=False),
        sa.Column("result", sa.JSON, nullable=True),
        instant("updated_at"),
        *claimable(),
        sa.PrimaryKeyConstraint("id", name="pk_fits"),
    )
    queue_index("fits")


def downgrade() -> None:
    tables = ["fits", "chunks", "jobs", "requests", "evaluation_metrics", "evaluations"]
    tables += ["ensemble_aliases", "ensemble_versions", "endpoints", "member_versions", "registry_revision"]
    for table in tables:
        op.drop_table(table)
