"""Whether a job answered every row of its input, and each exactly once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


@dataclass(frozen=True)
class RowCount:
    """Rows of the input that no output file names, and rows that they name more than once."""

    lost: int
    duplicated: int


def count_rows(files: Iterable[Path], rows: int) -> RowCount:
    """Count in a job's Parquet files (parts and rejects), each with a column `row`, for an input of `rows` rows."""
    seen = [pq.read_table(path, columns=["row"])["row"].to_numpy() for path in files if path.suffix == ".parquet"]
    times = np.bincount(np.concatenate([np.empty(0, np.int64), *seen]), minlength=rows)
    return RowCount(lost=int((times[:rows] == 0).sum()), duplicated=int((times - 1).clip(0).sum()))


def job_accuracy(files: Iterable[Path], labels: np.ndarray) -> float:
    """Return the share of all rows whose label in the parts is the true one, in input order."""
    tables = [pq.read_table(path, columns=["row", "label"]) for path in files]
    right = sum(int((labels[t["row"].to_numpy()] == np.array(t["label"].to_pylist())).sum()) for t in tables)
    return right / len(labels)
