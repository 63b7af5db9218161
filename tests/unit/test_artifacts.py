"""Artifacts: what is put comes back, and what was changed is refused."""

import io
import json
import pickle
import uuid
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from quorate.artifacts import Artifact, ArtifactStore, Manifest
from quorate.ensemble import Task
from quorate.errors import InvalidInput, InvalidSpec, NotFound, TamperedArtifact
from quorate.manifest import manifest_from_json, manifest_to_json

MANIFEST = Manifest("pets-text", 1, Task.CLASSIFICATION, ("text",), ("cat", "dog"), metrics={"accuracy": 0.9})
FILES = {"model.onnx": b"weights", "text.tokenizer.json": b"{}"}
ARTIFACT = Artifact(replace(MANIFEST, assets={"text": ("tokenizer.json",)}), FILES)


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid.uuid4().hex}")


def spoil(url: str, name: str, data: bytes) -> None:
    fs, folder = fsspec.core.url_to_fs(url)
    fs.pipe_file(f"{folder}/{name}", data)


def test_what_is_put_is_fetched(store: ArtifactStore, tmp_path: Path) -> None:
    stored = store.put(ARTIFACT)
    loaded = store.fetch(stored.url, stored.digest, tmp_path / "cache")
    assert loaded.model_path.read_bytes() == b"weights"
    assert loaded.assets("text") == {"tokenizer.json": b"{}"}
    assert replace(loaded.manifest, files={}) == ARTIFACT.manifest


def test_putting_the_same_again_gives_the_same(store: ArtifactStore) -> None:
    assert store.put(ARTIFACT) == store.put(ARTIFACT)


def test_another_model_of_the_same_version_has_another_digest_and_folder(store: ArtifactStore, tmp_path: Path) -> None:
    first = store.put(ARTIFACT)
    second = store.put(replace(ARTIFACT, files={**ARTIFACT.files, "model.onnx": b"others"}))
    assert first.url != second.url
    assert first.digest != second.digest
    assert store.fetch(first.url, first.digest, tmp_path / "cache").model_path.read_bytes() == b"weights"


@pytest.mark.parametrize("name", ["model.onnx", "text.tokenizer.json", "member.json"])
def test_a_tampered_file_is_refused_by_name_with_both_digests(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    stored = store.put(ARTIFACT)
    spoil(stored.url, name, b"{} ")
    with pytest.raises(TamperedArtifact, match=name) as raised:
        store.fetch(stored.url, stored.digest, tmp_path / "cache")
    assert "expected" in str(raised.value)
    assert not any((tmp_path / "cache").iterdir()), "nothing tampered stays in the cache"


def test_putting_again_mends_a_tampered_copy(store: ArtifactStore, tmp_path: Path) -> None:
    stored = store.put(ARTIFACT)
    spoil(stored.url, "model.onnx", b"evil")
    assert store.put(ARTIFACT) == stored
    assert store.fetch(stored.url, stored.digest, tmp_path / "cache").model_path.read_bytes() == b"weights"


def test_a_spoilt_cache_is_fetched_again(store: ArtifactStore, tmp_path: Path) -> None:
    stored = store.put(ARTIFACT)
    loaded = store.fetch(stored.url, stored.digest, tmp_path / "cache")
    loaded.model_path.write_bytes(b"evil")
    assert store.fetch(stored.url, stored.digest, tmp_path / "cache").model_path.read_bytes() == b"weights"


def test_a_cached_member_needs_no_store(store: ArtifactStore, tmp_path: Path) -> None:
    stored = store.put(ARTIFACT)
    store.fetch(stored.url, stored.digest, tmp_path / "cache")
    assert store.fetch("/gone", stored.digest, tmp_path / "cache").manifest.name == "pets-text"


def test_a_member_that_is_not_there_is_not_found(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="not in the store"):
        store.fetch(f"{store.store_url}/members/none/1-0", "0" * 64, tmp_path / "cache")


def test_no_draft_is_left_behind(tmp_path: Path) -> None:
    store = ArtifactStore((tmp_path / "store").as_uri())
    stored = store.put(ARTIFACT)
    store.fetch(stored.url, stored.digest, tmp_path / "cache")
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/passwd", "a/b", "", ".hidden", "x\x00", "a\n"])
def test_a_file_name_that_leaves_the_folder_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="refused"):
        replace(MANIFEST, model_file=name)
    with pytest.raises(InvalidSpec, match="refused"):
        replace(MANIFEST, files={name: "0"})


@pytest.mark.parametrize("name", ["..", "../pets", "a b", ""])
def test_a_member_name_that_leaves_the_store_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match="refused"):
        replace(MANIFEST, name=name)


def test_a_missing_file_is_named_when_put(store: ArtifactStore) -> None:
    with pytest.raises(InvalidInput, match=r"text\.tokenizer\.json"):
        store.put(replace(ARTIFACT, files={"model.onnx": b""}))


def test_a_manifest_is_the_same_after_json() -> None:
    assert manifest_from_json(manifest_to_json(MANIFEST)) == MANIFEST


def test_an_unknown_field_of_a_manifest_is_named() -> None:
    data = json.dumps({**json.loads(manifest_to_json(MANIFEST)), "surprise": 1}).encode()
    with pytest.raises(InvalidSpec, match="surprise"):
        manifest_from_json(data)


def test_a_pickle_is_no_manifest() -> None:
    data = io.BytesIO()
    pickle.dump({"name": "x"}, data)
    with pytest.raises(InvalidSpec, match="validate"):
        manifest_from_json(data.getvalue())
