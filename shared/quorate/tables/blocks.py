"""What every reader yields: some rows of a file, their numbers in it, and the rows that could not be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from quorate.errors import InvalidInput

REASON = "__quorate_reason__"
"""In a file that was laid out for reading: why a row could not be read, null where it could."""


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


def in_place(block: Block, columns: Sequence[str]) -> pa.RecordBatch:
    """Return the block with the rows that could not be read back where they stood, as nulls with their REASON."""
    batch = block.batch.select(list(columns))
    if not block.rejected:
        return batch.append_column(REASON, pa.nulls(batch.num_rows, pa.string()))
    numbers = np.concatenate([block.rows, np.fromiter(block.rejected, np.int64)])
    order = np.argsort(numbers, kind="stable")
    reasons = pa.array([block.rejected.get(int(number)) for number in numbers[order]], pa.string())
    taken = pa.array(order, mask=order >= len(block.rows))
    return batch.take(taken).append_column(REASON, reasons)
