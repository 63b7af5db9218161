"""The tables. SQL is the truth: whatever must survive a crash stands here before a message is sent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, always timezone-aware in Python; SQLite keeps it without its zone, as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Message(TypeDecorator[str]):
    """Text from anywhere, an error's for instance; what PostgreSQL or UTF-8 cannot hold is replaced."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        return value and value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def now() -> datetime:
    return datetime.now(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class RegistryRevision(Base):
    """One row; every change of the registry adds 1, and whoever watches reads this number alone."""

    __tablename__ = "registry_revision"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, default=0)


class MemberVersion(Base):
    """A version of a member: its artifact in the store, or the foreign server's model."""

    __tablename__ = "member_versions"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    source: Mapped[str] = mapped_column(String(16))  # artifact, endpoint
    artifact_url: Mapped[str] = mapped_column(Text, default="")
    artifact_digest: Mapped[str] = mapped_column(String(80), default="")
    description: Mapped[dict[str, Any]] = mapped_column(JSON)  # quorate.ensemble.Member as JSON
    metrics: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Endpoint(Base):
    """Where a member's replicas answer; a DNS name may stand for many."""

    __tablename__ = "endpoints"
    member: Mapped[str] = mapped_column(String(120), primary_key=True)
    address: Mapped[str] = mapped_column(String(255), primary_key=True)
    written_by: Mapped[str] = mapped_column(String(16))  # supervisor, settings, user
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class EnsembleVersion(Base):
    """A registered ensemble; never changed once written."""

    __tablename__ = "ensemble_versions"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    description: Mapped[dict[str, Any]] = mapped_column(JSON)  # quorate.ensemble.Ensemble as JSON
    lineage: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)  # data set hash, fit, out-of-fold outputs
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class EnsembleAlias(Base):
    __tablename__ = "ensemble_aliases"
    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    alias: Mapped[str] = mapped_column(String(40), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class Evaluation(Base):
    """Metrics of one member or ensemble version on one part of one data set."""

    __tablename__ = "evaluations"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # member, ensemble
    name: Mapped[str] = mapped_column(String(120))
    version: Mapped[int] = mapped_column(Integer)
    dataset_hash: Mapped[str] = mapped_column(String(80))
    part: Mapped[str] = mapped_column(String(40))  # test, out_of_fold
    rows: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    __table_args__ = (Index(None, "kind", "name", "version"),)


class EvaluationMetric(Base):
    __tablename__ = "evaluation_metrics"
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id", ondelete="CASCADE"), primary_key=True)
    metric: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[float] = mapped_column(Float(53))
    low: Mapped[float | None] = mapped_column(Float(53), default=None)
    high: Mapped[float | None] = mapped_column(Float(53), default=None)


class Claimable:
    """What may be claimed: a lease with a fencing token, taken back only after it has expired.

    `token` grows with every claim; a write that carries an older one changes nothing.
    """

    state: Mapped[str] = mapped_column(String(16))
    priority: Mapped[int] = mapped_column(Integer, default=0)
    token: Mapped[int] = mapped_column(BigInteger, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    error: Mapped[str] = mapped_column(Message, default="")


class SubmittedRequest(Claimable, Base):
    """One asynchronous request and, in time, its answer (both as quorate.v1 messages)."""

    __tablename__ = "requests"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True, default=None)
    ensemble: Mapped[str] = mapped_column(String(120))
    version: Mapped[int] = mapped_column(Integer)  # resolved when accepted
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    answer: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    error_code: Mapped[str] = mapped_column(String(40), default="")
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    __table_args__ = (Index(None, "state", "priority", "created_at"), Index(None, "expires_at"))


class Job(Claimable, Base):
    """A file to be scored. Claimed twice: once to be planned into chunks, once to be finalised."""

    __tablename__ = "jobs"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    idempotency_key: Mapped[str | None] = mapped_column(String(200), unique=True, default=None)
    ensemble: Mapped[str] = mapped_column(String(120))
    version: Mapped[int] = mapped_column(Integer)  # pinned
    input_url: Mapped[str] = mapped_column(Text)
    output_url: Mapped[str] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    chunks: Mapped[int] = mapped_column(Integer, default=0)
    manifest: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    __table_args__ = (Index(None, "state"),)


class Chunk(Claimable, Base):
    """The rows that one claim covers, and the one attempt that won."""

    __tablename__ = "chunks"
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    index: Mapped[int] = mapped_column(Integer, primary_key=True)
    source_url: Mapped[str] = mapped_column(Text)
    first_row: Mapped[int] = mapped_column(BigInteger)  # in the source file
    rows: Mapped[int] = mapped_column(Integer)
    rows_done: Mapped[int] = mapped_column(Integer, default=0)
    rows_rejected: Mapped[int] = mapped_column(Integer, default=0)
    winner: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)  # files and checksums
    degraded: Mapped[bool] = mapped_column(Boolean, default=False)
    __table_args__ = (Index(None, "state", "priority", "created_at"),)


class Fit(Claimable, Base):
    """Training a table's members, or fitting a live ensemble's combiner, on the tuner pool."""

    __tablename__ = "fits"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # table, ensemble
    name: Mapped[str] = mapped_column(String(120))
    dataset_url: Mapped[str] = mapped_column(Text)
    options: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    step: Mapped[str] = mapped_column(Text, default="")
    progress: Mapped[float] = mapped_column(Float, default=0.0)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    __table_args__ = (Index(None, "state", "priority", "created_at"),)
