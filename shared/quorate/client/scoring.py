"""The pieces of scoring a file and of fitting one, which both clients share: what is sent, and what is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlsplit

from quorate.client.listings import FitProgress, JobProgress
from quorate.errors import Conflict, InvalidInput, QuorateError, TamperedArtifact
from quorate.rpc.quorate.v1 import jobs_pb2

UPLOAD_BYTES = 1 << 20
Source = str | PathLike[str]
OnJob = Callable[[JobProgress], None]
OnFit = Callable[[FitProgress], None]


@dataclass(frozen=True)
class ScoreResult:
    """A job that is done: its last state, its manifest, and the files that were downloaded (none where no `out`)."""

    job: JobProgress
    manifest: dict[str, Any]
    files: tuple[Path, ...]

    @property
    def parts(self) -> tuple[Path, ...]:
        """The Parquet files of scored rows, in order; read them with `pyarrow.dataset` or pandas."""
        return tuple(path for path in self.files if path.suffix == ".parquet" and "reject" not in path.name)


def is_url(source: Source) -> bool:
    """Tell a URL, which the platform reads by itself, from a local path, which is uploaded."""
    return isinstance(source, str) and "://" in source


@contextmanager
def ready_to_send(source: Source) -> Iterator[Path | None]:
    """Give the local file to upload for a job, its pictures packed in where it names them by path; None for a URL."""
    if is_url(source):
        yield None
        return
    from quorate.tables import with_pictures  # PyArrow is for those who send files

    with TemporaryDirectory(prefix="quorate-") as folder:
        yield with_pictures(require_file(source), Path(folder))


def upload_messages(source: Source) -> Iterator[jobs_pb2.UploadRequest]:
    """Yield a local file as an upload: its name, then its bytes in pieces."""
    path = Path(source)
    with path.open("rb") as file:
        yield jobs_pb2.UploadRequest(name=path.name)
        while data := file.read(UPLOAD_BYTES):
            yield jobs_pb2.UploadRequest(data=data)


def require_file(source: Source) -> Path:
    path = Path(source)
    if not path.is_file():
        raise InvalidInput(f"{str(source)!r} is no file; give a CSV, JSONL or Parquet file, or a URL")
    return path


def check_uploaded(source: Path, reply: jobs_pb2.UploadReply) -> None:
    if reply.size != source.stat().st_size:
        raise Conflict(
            f"{source} has {source.stat().st_size} bytes, but {reply.size} were uploaded; it changed meanwhile"
        )


def check_ended(what: str, ended: JobProgress | FitProgress) -> None:
    """Raise the platform's own words where a job or fit did not come to its end: Conflict where it was cancelled."""
    if ended.state == "failed":
        raise QuorateError(f"{what} {ended.id} failed: {ended.error}")
    if ended.state == "cancelled":
        raise Conflict(f"{what} {ended.id} was cancelled")


def local_name(url: str) -> str:
    """Return the name that a job's file gets on this side."""
    return PurePosixPath(unquote(urlsplit(url).path)).name


class Download:
    """One file being written: under another name until it is whole."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / local_name(url)
        self._draft = self.path.with_name(f".{self.path.name}.part")
        self._file = self._draft.open("wb")
        self._digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)

    def finish(self, sha256: str = "") -> Path:
        """Give the file its name; TamperedArtifact where its digest is not the one stated."""
        self._file.close()
        if sha256 and sha256.removeprefix("sha256:") != self._digest.hexdigest():
            self._draft.unlink()
            raise TamperedArtifact(f"{self.path.name} arrived with another sha256 than its manifest states; ask again")
        self._draft.replace(self.path)
        return self.path


def digests_of(manifest: dict[str, Any]) -> dict[str, str]:
    """Return the sha256 that a manifest states of its files, by name."""
    return {file["name"]: file["sha256"] for file in manifest["files"]}


def read_manifest(data: bytes) -> dict[str, Any]:
    content = json.loads(data)
    assert isinstance(content, dict)
    return content
