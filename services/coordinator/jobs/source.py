"""Rows of a Parquet file by range, a few at a time: what a chunk reads never depends on the file's size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

BUFFER_BYTES = 1 << 20
LEAST_BATCH_ROWS, MOST_BATCH_ROWS = 1, 1024


class ParquetRows:
    """An open Parquet file; `batches` streams a range of its rows. Use it from one thread at a time."""

    def __init__(self, url: str) -> None:
        filesystem, path = fsspec.core.url_to_fs(url)
        self._stream = filesystem.open(path, "rb")
        # Buffered: a column's pages are read as they are decoded, not the whole row group at once.
        self._file = pq.ParquetFile(self._stream, buffer_size=BUFFER_BYTES, pre_buffer=False)

    @property
    def schema(self) -> pa.Schema:
        return self._file.schema_arrow

    @property
    def rows(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def longest_row_group(self) -> int:
        metadata = self._file.metadata
        return max((metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)), default=0)

    def batches(
        self, columns: Sequence[str], first_row: int, rows: int, batch_rows: int, batch_bytes: int
    ) -> Iterator[pa.RecordBatch]:
        """Stream a range of rows in batches within both limits, as far as the rows are of like size."""
        groups, skip = self._groups(first_row, rows)
        size = max(LEAST_BATCH_ROWS, min(batch_rows, batch_bytes // self._row_bytes(columns, groups)))
        left = rows
        for batch in self._file.iter_batches(size, row_groups=groups, columns=list(columns), use_threads=False):
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            part = batch.slice(skip, min(left, batch.num_rows - skip))
            skip = 0
            left -= part.num_rows
            yield part
            if left == 0:
                return

    def close(self) -> None:
        self._file.close()
        self._stream.close()

    def __enter__(self) -> ParquetRows:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _groups(self, first_row: int, rows: int) -> tuple[list[int], int]:
        """Return the row groups that the range touches, and how many rows of the first to skip."""
        groups: list[int] = []
        skip = start = 0
        for index in range(self._file.metadata.num_row_groups):
            end = start + self._file.metadata.row_group(index).num_rows
            if start < first_row + rows and end > first_row:
                if not groups:
                    skip = first_row - start
                groups.append(index)
            start = end
        return groups, skip

    def _row_bytes(self, columns: Sequence[str], groups: Sequence[int]) -> int:
        wanted = set(columns)
        size = rows = 0
        for index in groups:
            group = self._file.metadata.row_group(index)
            rows += group.num_rows
            for position in range(group.num_columns):
                column = group.column(position)
                if column.path_in_schema.split(".")[0] in wanted:
                    size += column.total_uncompressed_size
        return max(1, size // max(rows, 1))
