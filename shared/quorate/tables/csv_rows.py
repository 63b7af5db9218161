"""CSV to blocks. Every column is read as strings: what a cell means is decided by its column's role."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from quorate.errors import InvalidInput, not_utf8
from quorate.tables.blocks import Block, check_columns

BLOCK_BYTES = 16 << 20
"""Bytes parsed at once, and so the longest row that can be read."""


def csv_header(file: Any, delimiter: str, shown: str) -> list[str]:
    """Read the column names from the first line."""
    try:
        names = next(csv.reader(_text_lines(file, "strict"), delimiter=delimiter), [])
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{shown} is {not_utf8(error)}, or give Parquet") from error
    except csv.Error as error:
        raise InvalidInput(f"{shown} is no CSV: {error}; save it anew, or give Parquet") from error
    check_columns(names, shown)
    return names


def _text_lines(file: Any, errors: str) -> Iterator[str]:
    """The file's lines as text, without a byte order mark; the file stays open."""
    for number, line in enumerate(file):
        yield line.decode("utf-8" if number else "utf-8-sig", errors)


def csv_blocks(file: Any, names: list[str], rows: int, delimiter: str, shown: str) -> Iterator[Block]:
    """Yield at most `rows` rows at a time; one with the wrong number of cells or bad UTF-8 is rejected."""
    bad: dict[int, str] = {}
    quotes = _QuoteCounter(file)
    first = 0
    try:
        for batch in _reader(quotes, names, delimiter, bad):
            for start in range(0, batch.num_rows, rows):
                block, first = _numbered(batch.slice(start, rows), first, bad)
                yield block
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"{shown} cannot be read as CSV: {error}") from error
    if bad:
        yield Block(_strings(names, [pa.array([], pa.binary())] * len(names)), np.empty(0, np.int64), dict(bad))
    if quotes.count % 2:
        _refuse_open_quote(file, delimiter, shown)


def _reader(file: Any, names: list[str], delimiter: str, bad: dict[int, str]) -> Any:
    def skip(row: arrow_csv.InvalidRow) -> str:
        # Arrow counts from 1 and counts the header; a blank line is no row.
        bad[row.number - 2] = f"{row.actual_columns} cells where the header has {row.expected_columns}: {row.text:.60}"
        return "skip"

    return arrow_csv.open_csv(
        file,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.binary()), strings_can_be_null=False
        ),
    )


def _numbered(batch: pa.RecordBatch, first: int, bad: dict[int, str]) -> tuple[Block, int]:
    """The batch with its rows' numbers, which step over the bad rows; those that came before its end go with it."""
    # However many bad rows lie between them, the good ones are among this many numbers.
    candidates = np.arange(first, first + batch.num_rows + len(bad), dtype=np.int64)
    rows = candidates[~np.isin(candidates, list(bad))][: batch.num_rows] if bad else candidates
    first = int(rows[-1]) + 1
    rejected = {row: bad.pop(row) for row in sorted(bad) if row < first}
    unreadable = _not_utf8(batch)
    rejected |= {int(rows[index]): reason for index, reason in unreadable.items()}
    good = np.array([index for index in range(len(rows)) if index not in unreadable], dtype=np.int64)
    kept = batch.take(pa.array(good)) if unreadable else batch
    return Block(_strings(batch.schema.names, kept.columns), rows[good], rejected), first


def _not_utf8(batch: pa.RecordBatch) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            column.cast(pa.string())
        except pa.ArrowInvalid:
            for index, cell in enumerate(column.to_pylist()):
                try:
                    cell.decode()
                except UnicodeDecodeError as error:
                    reasons.setdefault(index, f"column {name!r} is {not_utf8(error)}")
    return reasons


def _strings(names: list[str], columns: list[pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([column.cast(pa.string()) for column in columns], names=names)


class _QuoteCounter(io.RawIOBase):
    """Passes the file through and counts its quotes: Arrow drops the rest of a file after an open one, silently."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(size)
        self.count += data.count(b'"')
        return data


def _refuse_open_quote(file: Any, delimiter: str, shown: str) -> None:
    """An odd number of quotes may still be sound (5\" in a cell); only the strict parser knows."""
    file.seek(0)
    lines = csv.reader(_text_lines(file, "replace"), delimiter=delimiter, strict=True)
    line = 1
    try:
        for _ in lines:
            line = lines.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error):
            raise InvalidInput(f'{shown} has a quote (") that never closes, opened on line {line}; close it') from error
