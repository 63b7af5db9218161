"""A job's folder on any fsspec store: durable writes, checksums, publishing by name."""

from __future__ import annotations

import hashlib
import io
import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

ATTEMPTS = "_attempts"
PLANS = "_plans"


@dataclass(frozen=True)
class WrittenFile:
    """A file of the job's folder: its name in there, its size in rows, and its checksum."""

    name: str
    rows: int
    sha256: str


class JobFolder:
    """Reads and writes below one URL. Blocking; any thread may use it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._fs, root = fsspec.core.url_to_fs(self.url)
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}"

    def exists(self, name: str) -> bool:
        return bool(self._fs.exists(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; it survives a crash of the machine once this returns."""
        path = self._path(name)
        if not self._local:
            self._fs.pipe_file(path, data)  # an object store's put is whole and durable, or did not happen
            return
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        partial = Path(self._path(f"{ATTEMPTS}/{uuid.uuid4().hex}.partial"))
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:  # on a full disk, what is left behind would keep it full
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(Path(path).parent)

    def write_table(self, name: str, table: pa.Table) -> WrittenFile:
        """Write the table as Parquet, and say what was written."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        data = buffer.getvalue()
        self.write(name, data)
        return WrittenFile(name, table.num_rows, hashlib.sha256(data).hexdigest())

    def write_tables(self, name: str, schema: pa.Schema, tables: Iterable[pa.Table]) -> WrittenFile:
        """Write a stream of tables as one Parquet file, holding one of them at a time."""
        rows, path = 0, self._path(name)
        with self.open(name, "wb") as file, pq.ParquetWriter(file, schema) as writer:
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        self.sync(name)
        with self._fs.open(path, "rb") as written:
            return WrittenFile(name, rows, hashlib.file_digest(written, "sha256").hexdigest())

    def sync(self, name: str) -> None:
        """Have a file that was written by `open` survive a crash of the machine."""
        sync_file(self._fs, self._path(name))

    def read(self, name: str) -> bytes:
        """Return a whole file; FileNotFoundError where there is none."""
        return bytes(self._fs.cat_file(self._path(name)))

    def publish(self, attempt: str, name: str) -> None:
        """Give a finished attempt its final name; doing so again changes nothing."""
        source, target = self._path(attempt), self._path(name)
        if not self._fs.exists(source):
            if not self._fs.exists(target):
                raise FileNotFoundError(f"{self.url_of(attempt)} is gone, and was never published as {name}")
            return
        if self._local:
            Path(source).replace(target)
        else:
            self._fs.copy(source, target)

    def read_table(self, name: str) -> pa.Table:
        with self._fs.open(self._path(name), "rb") as file:
            return pq.read_table(file)

    def open(self, name: str, mode: str) -> Any:
        """Open a file of the folder; a missing folder is made."""
        path = self._path(name)
        if self._local and "w" in mode:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        return self._fs.open(path, mode)

    def remove(self, names: Iterable[str]) -> None:
        """Remove files and whole folders; those that are not there are no matter."""
        for name in names:
            if self._fs.exists(self._path(name)):
                self._fs.rm(self._path(name), recursive=True)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def sync_file(filesystem: Any, path: str) -> None:
    """Put a written file and its name on the disk; an object store has done so when the file was closed."""
    if not isinstance(filesystem, LocalFileSystem):
        return
    with Path(path).open("rb") as file:
        os.fsync(file.fileno())
    _sync_folder(Path(path).parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
