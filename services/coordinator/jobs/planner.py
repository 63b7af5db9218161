"""A job's input as chunks: Parquet is referenced by row ranges; the rest is first streamed into a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.ensemble import Ensemble
from quorate.errors import InvalidInput, NotFound
from quorate.tables import Block, Roles, in_place, iter_blocks, table_format
from services.coordinator.jobs.binding import read_columns
from services.coordinator.jobs.files import PLANS, JobFolder
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.source import ParquetRows

PARQUET_SUFFIXES = (".parquet", ".pq")
# A chunk decodes the row groups that it touches. Where these are far longer than a chunk, one copy is cheaper.
LONGEST_GROUP_CHUNKS = 8
ROW_GROUP_BYTES = 32 << 20


def check_input(url: str) -> None:
    """Refuse a file that is not there (NotFound), or whose name is no table's (InvalidInput), before a job is made."""
    table_format(url)
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
        found = filesystem.isfile(path)
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInput(f"{url!r} cannot be opened: {error}") from error
    if not found:
        raise NotFound(f"there is no file at {url!r}; give the URL of an uploaded file, or one that the platform reads")


@dataclass(frozen=True)
class Plan:
    """Where a job's rows are read from, how many there are, and the (first row, rows) of each chunk."""

    source_url: str
    rows: int
    ranges: tuple[tuple[int, int], ...]


def plan(
    input_url: str,
    folder: JobFolder,
    token: int,
    ensemble: Ensemble,
    roles: Roles,
    chunk_rows: int,
    progress: Progress,
) -> Plan:
    """Cut the input into chunks. Memory does not grow with the file; a second attempt never touches the first's file.

    InvalidInput for a table that holds no row, none of the ensemble's columns, or cannot be read; NotFound where
    there is no such file.
    """
    if input_url.lower().endswith(PARQUET_SUFFIXES):
        with _parquet(input_url) as source:
            columns = read_columns(ensemble, roles, source.schema.names)
            rows, source_url = source.rows, input_url
            if rows and source.longest_row_group > LONGEST_GROUP_CHUNKS * chunk_rows:
                batches = source.batches(columns, 0, rows, chunk_rows, ROW_GROUP_BYTES)
                rows, source_url = _copy(batches, folder, token, chunk_rows, progress)
    else:
        blocks = iter_blocks(input_url, chunk_rows, partial(_step, progress))
        rows, source_url = _copy(_readable(blocks, ensemble, roles), folder, token, chunk_rows, progress)
    if not rows:
        raise InvalidInput(f"{input_url!r} holds no rows; give a table with at least one")
    return Plan(source_url, rows, tuple((first, min(chunk_rows, rows - first)) for first in range(0, rows, chunk_rows)))


@contextmanager
def _parquet(url: str) -> Iterator[ParquetRows]:
    try:
        with ParquetRows(url) as source:
            yield source
    except FileNotFoundError as error:
        raise NotFound(f"there is no file at {url!r}") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"{url!r} is no Parquet file that can be read: {error}") from error


def _readable(blocks: Iterator[Block], ensemble: Ensemble, roles: Roles) -> Iterator[pa.RecordBatch]:
    for block in blocks:
        yield in_place(block, read_columns(ensemble, roles, block.batch.schema.names))


def _copy(
    batches: Iterator[pa.RecordBatch], folder: JobFolder, token: int, chunk_rows: int, progress: Progress
) -> tuple[int, str]:
    """Stream the batches into one Parquet file of short row groups; return its rows and URL."""
    name = f"{PLANS}/{token}.parquet"
    rows = 0
    with folder.open(name, "wb") as file:
        writer: pq.ParquetWriter | None = None
        for group in _grouped(batches, chunk_rows):
            writer = writer or pq.ParquetWriter(file, group.schema)
            writer.write_table(group)
            rows += group.num_rows
            progress.done += group.num_rows
        if writer is not None:
            writer.close()
    folder.sync(name)
    return rows, folder.url_of(name)


def _grouped(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Table]:
    """Regroup a stream into tables of `rows` rows, or fewer where these would be large."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, rows - _count(held))
            held.append(part)
            start += part.num_rows
            if _count(held) == rows or sum(each.nbytes for each in held) > ROW_GROUP_BYTES:
                yield pa.Table.from_batches(held)
                held = []
    if held:
        yield pa.Table.from_batches(held)


def _step(progress: Progress) -> None:
    progress.done += 1


def _count(batches: Sequence[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)
