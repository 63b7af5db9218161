"""`quorate.v1.Files`: files into the platform's store, and what jobs and fits made out of it. No other file is read."""

# The generated base class names the methods and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

import fsspec

from quorate.db import FitStore, JobStore
from quorate.errors import InvalidInput, NotFound, TooLarge
from quorate.rpc.quorate.v1 import jobs_pb2 as pb
from quorate.rpc.quorate.v1 import jobs_pb2_grpc as rpc
from quorate.settings import Settings
from quorate.tables import table_format
from services.coordinator.jobs.files import sync_file
from services.coordinator.jobs.servicer import job_files
from services.coordinator.queue.threads import Threads

UPLOADS = "uploads"
MAX_NAME_LENGTH = 120
DOWNLOAD_BYTES = 1 << 20


class FilesServicer(rpc.FilesServicer):
    """Streams to and from the store, a piece at a time."""

    def __init__(self, settings: Settings, jobs: JobStore, fits: FitStore, threads: Threads) -> None:
        self._store_url = settings.resolved_store_url.rstrip("/")
        self._max_bytes = settings.max_upload_bytes
        self._jobs, self._fits, self._threads = jobs, fits, threads

    async def Upload(self, requests: AsyncIterator[pb.UploadRequest], context: Any) -> pb.UploadReply:
        first = await anext(aiter(requests), None)
        if first is None or first.WhichOneof("part") != "name":
            raise InvalidInput("an upload's first message holds its name, and those after it its data")
        table_format(name := safe_name(first.name))  # a large file of another kind is refused before it is sent
        url = f"{self._store_url}/{UPLOADS}/{uuid.uuid4().hex}/{name}"
        upload = await self._threads.run(_Upload, url, self._max_bytes)
        try:
            async for request in requests:
                if request.WhichOneof("part") != "data":
                    raise InvalidInput("an upload is named once, in its first message")
                await self._threads.run(upload.write, request.data)
            await self._threads.run(upload.finish)
        except BaseException:
            await self._threads.run(upload.abandon)
            raise
        return pb.UploadReply(url=url, size=upload.size, sha256=upload.sha256)

    async def Download(self, request: pb.DownloadRequest, context: Any) -> AsyncIterator[pb.DownloadReply]:
        await self._threads.run(self._require_published, request.url)
        file = await self._threads.run(_opened, request.url)
        try:
            while data := await self._threads.run(file.read, DOWNLOAD_BYTES):
                yield pb.DownloadReply(data=data)
        finally:
            await self._threads.run(file.close)

    def _require_published(self, url: str) -> None:
        """Raise NotFound unless some done job or fit names exactly this URL among its files."""
        folder, _, _ = url.rpartition("/")
        owner = folder.rpartition("/")[2]
        if url.startswith(f"{self._store_url}/fits/"):
            identifier = url.removeprefix(f"{self._store_url}/fits/").partition("/")[0]
            if url in _urls(self._fits.get(identifier).result or {}):
                return
        elif folder == f"{self._store_url}/jobs/{owner}":
            if url in job_files(self._jobs.get(owner)):
                return
        elif any(url in job_files(job) for job in self._jobs.list(limit=1000) if job.output_url.rstrip("/") == folder):
            return
        raise NotFound(f"{url!r} is no file of a finished job or fit; a job's `files` lists what it published")


class _Upload:
    """One file on its way into the store; blocking."""

    def __init__(self, url: str, max_bytes: int) -> None:
        self._fs, self._path = fsspec.core.url_to_fs(url)
        self._max_bytes = max_bytes
        self._fs.makedirs(self._folder, exist_ok=True)
        self._file = self._fs.open(self._path, "wb")
        self._digest = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._max_bytes:
            raise TooLarge(f"the file is larger than {self._max_bytes} bytes (QUORATE_MAX_UPLOAD_BYTES); split it")
        self._digest.update(data)
        self._file.write(data)

    def finish(self) -> None:
        self._file.close()
        sync_file(self._fs, self._path)

    def abandon(self) -> None:
        with suppress(OSError):  # on a full disk, closing fails on what is still to be written
            self._file.close()
        if self._fs.exists(self._folder):
            self._fs.rm(self._folder, recursive=True)

    @property
    def _folder(self) -> str:
        return str(self._fs._parent(self._path))


def safe_name(name: str) -> str:
    """Return the last part of a path with nothing in it that a file system or a shell could trip over."""
    last = PurePosixPath(name.replace("\\", "/")).name
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")
    if not cleaned or not PurePosixPath(cleaned).suffix:
        raise InvalidInput(f"{name[:200]!r} is no file name with a suffix; call it, for instance, rows.parquet")
    return cleaned[-MAX_NAME_LENGTH:]


def _opened(url: str) -> Any:
    filesystem, path = fsspec.core.url_to_fs(url)
    try:
        return filesystem.open(path, "rb")
    except FileNotFoundError as error:
        raise NotFound(f"{url!r} was published, and is not there any more") from error


def _urls(value: Any) -> set[str]:
    """Return every string in a result, however deep."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, Mapping):
        return set().union(*map(_urls, value.values()))
    return set().union(*map(_urls, value)) if isinstance(value, list | tuple) else set()
