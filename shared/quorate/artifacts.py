"""Members on disk: `member.json` and the files it names by sha256, on any fsspec store.

The digest of `member.json` is the member's digest: SQL keeps it, and whoever loads the member refuses
anything else. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import fsspec

from quorate.errors import InvalidInput, NotFound, TamperedArtifact, Unavailable
from quorate.manifest import (
    MANIFEST,
    Manifest,
    asset_file,
    manifest_from_json,
    manifest_to_json,
    member_of,
    sha256,
)
from quorate.views import Limits, Preprocessor, load_preprocessor

__all__ = ["Artifact", "ArtifactStore", "LoadedArtifact", "Manifest", "StoredArtifact", "build_artifact", "member_of"]

COPY_BYTES = 1 << 20


@dataclass(frozen=True)
class Artifact:
    """A member that is not stored yet: its manifest, and its files by name."""

    manifest: Manifest
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class StoredArtifact:
    """Where a member's folder is, and the sha256 of its `member.json`."""

    url: str
    digest: str


@dataclass(frozen=True)
class LoadedArtifact:
    """A member's folder on this machine, every file of it verified."""

    manifest: Manifest
    folder: Path

    @property
    def model_path(self) -> Path:
        """The model file."""
        return self.folder / self.manifest.model_file

    def assets(self, view: str) -> dict[str, bytes]:
        """Read the files of one view's preprocessor, by asset name."""
        names = self.manifest.assets.get(view, ())
        return {name: (self.folder / asset_file(view, name)).read_bytes() for name in names}

    def preprocessors(self, limits: Limits | None = None) -> dict[str, Preprocessor]:
        """Rebuild the preprocessor of each view."""
        given, views = self.manifest.preprocessing, self.manifest.views
        return {view: load_preprocessor(view, given.get(view, {}), self.assets(view), limits) for view in views}


class ArtifactStore:
    """Members under one fsspec URL (`file://`, `s3://`, a plain path). Holds no connection; usable from any thread."""

    def __init__(self, store_url: str) -> None:
        self.store_url = store_url.rstrip("/")

    def put(self, artifact: Artifact) -> StoredArtifact:
        """Store the member whole or not at all; putting the same again gives the same, and mends a spoilt copy.

        The folder's name carries the digest, so that an interrupted or concurrent put of the same version
        can never mix its files with another's.
        """
        manifest = _sealed(artifact)
        data = manifest_to_json(manifest)
        digest = sha256(data)
        url = f"{self.store_url}/members/{manifest.name}/{manifest.version}-{digest[:12]}"
        fs, folder = fsspec.core.url_to_fs(url)
        files = {**artifact.files, MANIFEST: data}
        if not _holds(fs, folder, files):
            _write_folder(fs, folder, files)
        return StoredArtifact(url, digest)

    def fetch(self, url: str, digest: str, cache: Path) -> LoadedArtifact:
        """Bring the member into `cache` and verify every file.

        Raises TamperedArtifact naming the file and both digests, NotFound where a file is missing,
        Unavailable where the store cannot be reached. A spoilt copy in the cache is replaced.
        """
        folder = cache / digest
        if folder.exists():
            try:
                return _verified(folder, digest)
            except (NotFound, TamperedArtifact):
                _discard(folder)
        _download(url, digest, folder)
        return _verified(folder, digest)


def build_artifact(
    manifest: Manifest,
    model: bytes,
    preprocessors: Sequence[Preprocessor] = (),
    files: Mapping[str, bytes] | None = None,
) -> Artifact:
    """Put a model and its fitted preprocessors together; `files` are further ones, such as external weights."""
    filled = replace(
        manifest,
        preprocessing={**manifest.preprocessing, **{p.view: dict(p.parameters()) for p in preprocessors}},
        assets={**manifest.assets, **{p.view: tuple(sorted(p.assets())) for p in preprocessors if p.assets()}},
    )
    assets = {asset_file(p.view, name): data for p in preprocessors for name, data in p.assets().items()}
    return Artifact(filled, {manifest.model_file: model, **assets, **(files or {})})


def _sealed(artifact: Artifact) -> Manifest:
    """The manifest with the digests of its files, once every file it needs is there."""
    manifest, files = artifact.manifest, artifact.files
    if missing := sorted(set(manifest.needed_files) - set(files)):
        raise InvalidInput(f"the artifact of {manifest.name!r} lacks {', '.join(missing)}; give every file it names")
    if MANIFEST in files:
        raise InvalidInput(f"{MANIFEST} is written by the store; leave it out of the artifact's files")
    return replace(manifest, files={name: sha256(data) for name, data in sorted(files.items())})


def _holds(fs: Any, folder: str, files: Mapping[str, bytes]) -> bool:
    """Whether these very bytes are there already."""
    try:
        return all(fs.cat_file(f"{folder}/{name}") == data for name, data in files.items())
    except FileNotFoundError:
        return False


def _write_folder(fs: Any, folder: str, files: Mapping[str, bytes]) -> None:
    """Write all files, the manifest last: a folder without it does not count as a member."""
    if "file" in ((fs.protocol,) if isinstance(fs.protocol, str) else fs.protocol):
        _write_local_folder(Path(folder), files)
        return
    for name, data in files.items():
        fs.pipe_file(f"{folder}/{name}", data)


def _write_local_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write beside the folder, sync, then rename, so that a crash leaves nothing half written under its name."""
    draft = _sibling(folder)
    draft.mkdir(parents=True)
    try:
        for name, data in files.items():
            with (draft / name).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        if not _rename(draft, folder):
            _discard(folder)
            _rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, folder: Path) -> bool:
    """Give the finished draft its name; False where a folder of that name is there already."""
    try:
        draft.rename(folder)
    except OSError:
        if folder.exists():
            return False
        raise
    return True


def _discard(folder: Path) -> None:
    """Take the folder's name away in one step, then delete it: nobody ever sees it half gone."""
    spoilt = _sibling(folder)
    try:
        folder.rename(spoilt)
    except FileNotFoundError:
        return
    shutil.rmtree(spoilt, ignore_errors=True)


def _sibling(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.{uuid.uuid4().hex}"


def _download(url: str, digest: str, folder: Path) -> None:
    """Copy the member's files into `folder`, which appears only once all have come."""
    draft = _sibling(folder)
    draft.mkdir(parents=True)
    try:
        fs, source = fsspec.core.url_to_fs(url)
        _copy(fs, f"{source}/{MANIFEST}", draft / MANIFEST)
        for name in _read_manifest(draft, f"{source}/", digest).files:
            _copy(fs, f"{source}/{name}", draft / name)
        _verified(draft, digest, f"{source}/")
        _rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _copy(fs: Any, source: str, target: Path) -> None:
    try:
        with fs.open(source, "rb") as reader, target.open("wb") as writer:
            shutil.copyfileobj(reader, writer, COPY_BYTES)
    except FileNotFoundError as error:
        raise NotFound(f"{source} is not in the store; register the member again, or restore its folder") from error
    except OSError as error:
        raise Unavailable(f"{source} cannot be read from the store: {error}") from error


def _read_manifest(folder: Path, shown: str, digest: str) -> Manifest:
    try:
        data = (folder / MANIFEST).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{shown}{MANIFEST} does not exist") from None
    _compare(f"{shown}{MANIFEST}", digest, sha256(data))
    return manifest_from_json(data)


def _verified(folder: Path, digest: str, shown: str = "") -> LoadedArtifact:
    """The folder as a member, every file's digest compared; `shown` is the place that errors name."""
    shown = shown or f"{folder}/"
    manifest = _read_manifest(folder, shown, digest)
    for name, expected in manifest.files.items():
        try:
            with (folder / name).open("rb") as file:
                _compare(f"{shown}{name}", expected, hashlib.file_digest(file, "sha256").hexdigest())
        except FileNotFoundError:
            raise NotFound(f"{shown}{name} does not exist, and {MANIFEST} names it") from None
    return LoadedArtifact(manifest, folder)


def _compare(file: str, expected: str, actual: str) -> None:
    if actual != expected:
        raise TamperedArtifact(f"{file} has sha256 {actual}, expected {expected}; restore it, or put the member again")
