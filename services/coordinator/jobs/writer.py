"""A chunk's attempt on the store: its own files, named by its fencing token, and what SQL keeps of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from services.coordinator.jobs.files import ATTEMPTS, JobFolder, WrittenFile


def attempt_name(index: int, token: int) -> str:
    """Name an attempt's scored rows; another claim of the same chunk has another token, and so another file."""
    return f"{ATTEMPTS}/{index:05d}-{token}.parquet"


def rejects_name(index: int, token: int) -> str:
    return f"{ATTEMPTS}/{index:05d}-{token}.rejects.parquet"


def write_attempt(folder: JobFolder, index: int, token: int, scored: pa.Table, rejects: pa.Table) -> dict[str, Any]:
    """Write and sync the attempt, and return it as the winner that `complete_chunk` records."""
    winner: dict[str, Any] = {"scored": asdict(folder.write_table(attempt_name(index, token), scored)), "rejects": None}
    if rejects.num_rows:
        winner["rejects"] = asdict(folder.write_table(rejects_name(index, token), rejects))
    return winner


def remove_attempt(folder: JobFolder, index: int, token: int) -> None:
    """Take back what an attempt wrote that did not win."""
    folder.remove([attempt_name(index, token), rejects_name(index, token)])


def written_file(recorded: Mapping[str, Any]) -> WrittenFile:
    return WrittenFile(recorded["name"], recorded["rows"], recorded["sha256"])
