"""What every reader yields: some rows of a file, their numbers in it, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.errors import InvalidInput


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file. Rows count from 0, without the header; those that cannot be read count, too."""

    batch: pa.RecordBatch
    rows: NDArray[np.int64]
    """The number in the file of each row of the batch."""
    rejected: Mapping[int, str] = field(default_factory=dict)
    """Why a row could not be read, by its number in the file."""


def check_columns(names: Sequence[str], shown: str) -> None:
    """Refuse a header without columns, or with two of one name."""
    if not names:
        raise InvalidInput(f"{shown} has no columns; give a table with a header")
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise InvalidInput(
            f"{shown} has more than one column named {', '.join(map(repr, twice))}; give each its own name"
        )
