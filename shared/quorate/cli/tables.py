"""A user's table made ready to be sent: roles shown, pictures that it names by path packed in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quorate.errors import InvalidInput, InvalidRows


@contextmanager
def prepared_table(source: str, roles: Mapping[str, Any], show: bool) -> Iterator[str]:
    """Yield what the tuner is to read: the table itself, or a copy that holds the pictures it named by path.

    A URL is left to the platform, which may reach what this machine does not.
    """
    if "://" in source:
        yield source
        return
    from pyarrow import parquet

    from quorate.cli.fitted import print_roles
    from quorate.tables import infer_roles, pack_images, read_table

    path = Path(source)
    if not path.is_file():
        raise InvalidInput(f"{source!r} is no file; give a CSV, JSONL or Parquet file, or a URL")
    table = read_table(str(path))
    inferred = infer_roles(table, **roles)
    if show:
        print_roles(inferred.rows())
    packed, unread = pack_images(table, inferred, str(path.parent), anywhere=True)
    if unread:
        raise InvalidRows(unread)
    if packed is table:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="quorate-") as folder:
        copy = Path(folder) / f"{path.stem}.parquet"
        parquet.write_table(packed, copy)
        yield str(copy)
