"""Finalising: winners alone are published, the manifest last, and an interrupted one is taken up where it was."""

from __future__ import annotations

import errno
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.ensemble import Ensemble, Task
from services.coordinator.jobs import finaliser as module
from services.coordinator.jobs.files import JobFolder
from services.coordinator.jobs.finaliser import FinishedJob, finalise
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.output import output_schema, rejects_table
from services.coordinator.jobs.writer import remove_attempt, write_attempt
from tests.support.members import LABELS, table_member

PETS = Ensemble("pets", 3, Task.CLASSIFICATION, LABELS, (table_member(),))
JOB = FinishedJob("j1", "file:///in.csv", 6, PETS, output_schema(PETS, ("label",), False), 0)
NAMES = {"part-00000.parquet", "part-00001.parquet", "part-00002.parquet", "rejects.parquet", "manifest.json"}


def attempts(folder: JobFolder) -> list[dict[str, Any]]:
    """Three chunks of two rows, one row of the second rejected; beside each winner a loser's file."""
    winners = []
    for index in range(3):
        rejected = {3: "no number"} if index == 1 else {}
        rows = [row for row in (2 * index, 2 * index + 1) if row not in rejected]
        scored = pa.table({"row": rows, "label": ["cat"] * len(rows)})
        write_attempt(folder, index, 1, pa.table({"row": [99], "label": ["zombie"]}), rejects_table({98: "zombie"}))
        winners.append(write_attempt(folder, index, 2, scored, rejects_table(rejected)))
    return winners


def assert_published(path: Path, manifest: dict[str, Any]) -> None:
    assert {file.name for file in path.iterdir()} == NAMES
    parts = pa.concat_tables(pq.read_table(part) for part in sorted(path.glob("part-*")))
    assert parts["row"].to_pylist() == [0, 1, 2, 4, 5]
    assert pq.read_table(path / "rejects.parquet").to_pydict() == {"row": [3], "reason": ["no number"]}
    assert json.loads((path / "manifest.json").read_bytes()) == manifest
    assert (manifest["rows"], manifest["rows_scored"], manifest["rows_rejected"]) == (6, 5, 1)
    assert manifest["ensemble"] == {"name": "pets", "version": 3}
    for file in manifest["files"]:
        assert hashlib.sha256((path / file["name"]).read_bytes()).hexdigest() == file["sha256"]


def test_winners_are_published_and_nothing_else_stays(tmp_path: Path) -> None:
    folder = JobFolder((tmp_path / "out").as_uri())
    manifest = finalise(folder, 1, JOB, attempts(folder), Progress())
    assert_published(tmp_path / "out", manifest)


@pytest.mark.parametrize("steps", range(8))
def test_finalising_can_be_interrupted_anywhere_and_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    folder = JobFolder((tmp_path / "out").as_uri())
    winners = attempts(folder)
    left = steps

    class Crash(Exception):
        pass

    class Crashing(JobFolder):
        def _step(self) -> None:
            nonlocal left
            if left == 0:
                raise Crash
            left -= 1

        def publish(self, attempt: str, name: str) -> None:
            self._step()
            super().publish(attempt, name)

        def write(self, name: str, data: bytes) -> None:
            self._step()
            super().write(name, data)

        def remove(self, names: Any) -> None:
            self._step()
            super().remove(list(names)[:1])
            self._step()

    try:
        finalise(Crashing(folder.url), 1, JOB, winners, Progress())
    except Crash:
        assert (tmp_path / "out" / "manifest.json").exists() == (steps > 4)
    manifest = finalise(folder, 2, JOB, winners, Progress())
    assert finalise(folder, 3, JOB, winners, Progress()) == manifest
    assert_published(tmp_path / "out", manifest)


def test_a_winner_that_is_gone_without_having_been_published_is_an_error(tmp_path: Path) -> None:
    folder = JobFolder((tmp_path / "out").as_uri())
    winners = attempts(folder)
    remove_attempt(folder, 1, 2)
    with pytest.raises(FileNotFoundError, match="never published"):
        finalise(folder, 1, JOB, winners, Progress())
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_another_jobs_manifest_in_the_folder_is_not_taken_for_this_ones(tmp_path: Path) -> None:
    folder = JobFolder((tmp_path / "out").as_uri())
    folder.write(module.MANIFEST, b'{"job": "older"}')
    manifest = finalise(folder, 1, JOB, attempts(folder), Progress())
    assert_published(tmp_path / "out", manifest)


def test_the_same_files_come_out_on_an_object_store() -> None:
    folder = JobFolder("memory://bucket/jobs/j1")
    manifest = finalise(folder, 1, JOB, attempts(folder), Progress())
    assert {file["name"] for file in manifest["files"]} | {"manifest.json"} == NAMES
    for file in manifest["files"]:
        assert hashlib.sha256(folder.read(file["name"])).hexdigest() == file["sha256"]
    assert not folder.exists("_attempts")


def test_every_file_of_rejects_that_is_read_is_progress(tmp_path: Path) -> None:
    folder, progress = JobFolder((tmp_path / "out").as_uri()), Progress()
    finalise(folder, 1, JOB, attempts(folder), progress)
    assert progress.done == 3 + 1


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    folder = JobFolder((tmp_path / "out").as_uri())
    monkeypatch.setattr("services.coordinator.jobs.files.os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        folder.write("_attempts/00000-1.parquet", b"rows")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
