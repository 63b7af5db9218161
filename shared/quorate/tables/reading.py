"""Files to rows, in bounded memory: CSV, TSV, JSONL (each also compressed) and Parquet, at any fsspec URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.errors import InvalidInput, InvalidRows, NotFound
from quorate.tables.blocks import Block, check_columns
from quorate.tables.cells import typed
from quorate.tables.csv_rows import csv_blocks, csv_header
from quorate.tables.jsonl_rows import jsonl_blocks, jsonl_schema

FORMATS = {
    ".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
READ_ROWS = 65_536


def read_table(url: str) -> pa.Table:
    """Read the whole file. A CSV's columns become numbers or booleans where every cell is one.

    Raises NotFound, InvalidInput for a file that is empty or no table, InvalidRows for rows that cannot be read.
    """
    batches: list[pa.RecordBatch] = []
    rejected: dict[int, str] = {}
    for block in iter_blocks(url, READ_ROWS):
        batches.append(block.batch)
        rejected.update(block.rejected)
    if rejected:
        raise InvalidRows(rejected)
    table = pa.Table.from_batches(batches) if batches else None
    if table is None or not table.num_rows:
        raise InvalidInput(f"{url} is empty: it has no rows")
    return typed(table) if table_format(url) in ("csv", "tsv") else table


def iter_batches(url: str, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows, at most `rows` at a time; InvalidRows at the first block with one that cannot be read."""
    for block in iter_blocks(url, rows):
        if block.rejected:
            raise InvalidRows(block.rejected)
        yield block.batch


def iter_blocks(url: str, rows: int, on_looked: Callable[[], None] | None = None) -> Iterator[Block]:
    """Yield the file's rows with their numbers, at most `rows` at a time, and which could not be read and why.

    All blocks have one schema; a CSV's columns are strings. A file without rows yields nothing. Errors as `read_table`.
    A JSONL file is read once before its first block; `on_looked` is called now and then meanwhile.
    """
    kind = table_format(url)
    if kind == "parquet":
        yield from _parquet_blocks(url, rows)
    elif kind == "jsonl":
        with _opened(url) as file:
            schema = jsonl_schema(file, url, on_looked)
        with _opened(url) as file:
            yield from jsonl_blocks(file, schema, rows, url)
    else:
        delimiter = "\t" if kind == "tsv" else ","
        with _opened(url) as file:
            names = csv_header(file, delimiter, url)
        with _opened(url) as file:
            yield from csv_blocks(file, names, rows, delimiter, url)


def table_format(url: str) -> str:
    """Tell a file's format (csv, tsv, jsonl or parquet) by its suffix; InvalidInput for any other."""
    path = PurePosixPath(url.split("?")[0])
    suffix = path.with_suffix("").suffix if path.suffix in COMPRESSIONS else path.suffix
    try:
        return FORMATS[suffix.lower()]
    except KeyError:
        raise InvalidInput(f"{url} has no known suffix; use one of {', '.join(FORMATS)}") from None


def _parquet_blocks(url: str, rows: int) -> Iterator[Block]:
    with _opened(url) as file:
        try:
            parquet = pq.ParquetFile(file)
            check_columns(parquet.schema_arrow.names, url)
            first = 0
            for batch in parquet.iter_batches(batch_size=rows):
                yield Block(batch, np.arange(first, first + batch.num_rows, dtype=np.int64))
                first += batch.num_rows
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            raise InvalidInput(f"{url} cannot be read as Parquet: {error}") from error


@contextmanager
def _opened(url: str) -> Iterator[Any]:
    """Open the file for reading, decompressed; an empty or unreadable one is refused by name."""
    try:
        opening = fsspec.open(url, "rb", compression="infer")
        file = opening.open()
    except FileNotFoundError as error:
        raise NotFound(f"{url} does not exist") from error
    except (OSError, ValueError, ImportError) as error:
        raise InvalidInput(f"{url} cannot be opened: {error}") from error
    with file:
        try:
            empty = not file.read(1)
            file.seek(0)
        except (OSError, EOFError, ValueError) as error:
            raise InvalidInput(f"{url} cannot be read: {error}") from error
        if empty:
            raise InvalidInput(f"{url} is empty: it has no header and no rows")
        yield file
