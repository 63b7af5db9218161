"""A table that names pictures by path, made ready to leave the machine that they are on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from quorate.errors import InvalidInput
from quorate.tables.blocks import Block, in_place
from quorate.tables.cells import is_string
from quorate.tables.inference import are_picture_paths
from quorate.tables.packing import picture_files
from quorate.tables.reading import iter_blocks

BLOCK_ROWS = 256  # pictures are held in memory by blocks
LOOKED_AT_BYTES = 1 << 18
SUFFIX_BYTES = re.compile(rb"(?i)\.(jpe?g|png)")


def with_pictures(path: Path, folder: Path) -> Path:
    """Return the table itself, or, where it names pictures by path, a Parquet copy in `folder` that holds them.

    Paths are relative to the table's own folder. Row for row the copy is the table: a row that cannot be read keeps
    its place and its reason. A path that leads to no picture stays as it is, to be rejected where it is needed.
    """
    if path.suffix.lower() in (".csv", ".tsv", ".jsonl", ".ndjson") and not _may_name_pictures(path):
        return path
    blocks = iter_blocks(str(path), BLOCK_ROWS)
    try:
        first = next(blocks, None)
    except InvalidInput:
        return path  # whoever reads it says what is wrong with it
    columns = [] if first is None else _picture_columns(first)
    if first is None or not columns:
        return path
    copy = folder / f"{path.stem}.parquet"
    _write(copy, chain([first], blocks), columns, str(path.parent.absolute()))
    return copy


def _may_name_pictures(path: Path) -> bool:
    """Look at a text file's beginning alone: reading all of a large one to find nothing would cost minutes."""
    with path.open("rb") as file:
        return SUFFIX_BYTES.search(file.read(LOOKED_AT_BYTES)) is not None


def _picture_columns(block: Block) -> list[str]:
    strings = [field.name for field in block.batch.schema if is_string(field.type)]
    return [name for name in strings if are_picture_paths(_given(block.batch.column(name)))]


def _given(column: pa.Array) -> pa.Array:
    known = column.drop_null()
    return known.filter(pc.not_equal(known, ""))


def _write(copy: Path, blocks: Iterator[Block], columns: list[str], base: str) -> None:
    writer: pq.ParquetWriter | None = None
    for block in blocks:
        table = pa.Table.from_batches([in_place(block, block.batch.schema.names)])
        for name in columns:
            table = table.set_column(table.column_names.index(name), name, _pictures(table[name].to_pylist(), base))
        writer = writer or pq.ParquetWriter(copy, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _pictures(paths: list[str | None], base: str) -> pa.Array:
    cells, unread = picture_files(paths, base, anywhere=True)
    kept = [str(paths[place]).encode() if place in unread else cell for place, cell in enumerate(cells)]
    return pa.array(kept, pa.large_binary())
