"""What an operator may set, by environment variable (`QUORATE_...`), checked when a process starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from quorate.errors import InvalidInput

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """One object a process, made in its `__main__` and handed down; nothing reads the environment elsewhere."""

    model_config = SettingsConfigDict(env_prefix="QUORATE_", frozen=True, extra="ignore")

    home: Path = Path("~/.quorate").expanduser()
    """Where the embedded platform keeps its database, store, logs and run files."""
    database_url: str = ""
    """SQLAlchemy URL; empty: SQLite in the home."""
    store_url: str = ""
    """fsspec URL of the artifact and job store; empty: a folder in the home."""
    broker_url: str = "redis://127.0.0.1:6379/0"
    gateway: str = ""
    """HOST:PORT of the gateway, for clients; empty: the embedded platform's own."""

    # What a server accepts.
    max_message_bytes: Count = 64 * 2**20
    max_upload_bytes: Count = 64 * 2**30
    """Bytes of one uploaded file."""
    max_rows: Count = 65_536
    """Rows in one request."""
    max_image_pixels: Count = 16_000_000
    max_text_bytes: Count = 1 << 20
    max_concurrency: Count = 2
    """Batches that a worker runs at once."""
    max_queue: Count = 64
    """Batches that wait in a worker before it refuses with RESOURCE_EXHAUSTED."""
    drain_seconds: Positive = 10.0
    """How long a process finishes what it accepted after SIGTERM."""

    # The engine.
    max_batch_rows: Count = 1024
    max_batch_bytes: Count = 8 * 2**20
    max_batch_wait_seconds: Annotated[float, Field(ge=0, le=0.1)] = 0.002

    # The queue.
    lease_seconds: Positive = 15.0
    chunk_rows: Count = 2048
    max_backlog: Count = 100_000
    """Submitted requests that may wait; one more is refused with RESOURCE_EXHAUSTED."""
    request_ttl_seconds: Positive = 3600.0

    # The tuner.
    max_fits: Count = 1
    """Fits that one tuner pool runs at once, each in a process of its own."""
    max_fit_bytes: Count = 4 * 2**30
    """Resident memory that one fit may take; past it the fit fails and says so."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["console", "json"] = "console"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'quorate.db'}"

    @property
    def resolved_store_url(self) -> str:
        return self.store_url or (self.home / "store").absolute().as_uri()


def load_settings(**overrides: object) -> Settings:
    """Read the environment, with `overrides` on top; InvalidInput names the variable that does not fit."""
    try:
        return Settings(**{name: value for name, value in overrides.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [f"QUORATE_{str(e['loc'][0]).upper()}={e['input']!r}: {e['msg']}" for e in error.errors()]
        raise InvalidInput("settings do not validate: " + "; ".join(lines)) from error
