"""The digest of a data set: the same rows and columns give the same, however the file is cut into pieces."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from quorate.tables.cells import is_bytes, is_string, plain


def dataset_hash(table: pa.Table) -> str:
    """The sha256, in hex, of the table's column names, types and cells, in order."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        for part in _parts(name, plain(column)):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


def _parts(name: str, column: pa.Array) -> Iterator[Any]:
    yield name.encode()
    yield str(column.type).removeprefix("large_").encode()
    yield np.packbits(pc.is_null(column).to_numpy(zero_copy_only=False)).tobytes()
    if is_string(column.type) or is_bytes(column.type):
        filled = column.cast(pa.large_binary()).fill_null(b"")
        yield pc.binary_length(filled).to_numpy(zero_copy_only=False).tobytes()
        yield b"".join(filled.to_pylist())
    elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_boolean(column.type):
        yield (
            column.fill_null(False if pa.types.is_boolean(column.type) else 0).to_numpy(zero_copy_only=False).tobytes()
        )
    else:
        yield json.dumps(column.to_pylist(), default=str).encode()
