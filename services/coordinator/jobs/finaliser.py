"""From winning attempts to published parts. Idempotent: an interrupted one is taken up with the same files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from quorate.ensemble import Ensemble
from services.coordinator.jobs.files import ATTEMPTS, PLANS, JobFolder, WrittenFile
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.output import REJECTS_SCHEMA
from services.coordinator.jobs.writer import written_file

MANIFEST = "manifest.json"
REJECTS = "rejects.parquet"


@dataclass(frozen=True)
class FinishedJob:
    """What the manifest says of a job beside its files."""

    id: str
    input_url: str
    rows: int
    ensemble: Ensemble
    schema: pa.Schema
    degraded_chunks: int


def finalise(
    folder: JobFolder, token: int, job: FinishedJob, winners: Sequence[Mapping[str, Any]], progress: Progress
) -> dict[str, Any]:
    """Publish the chunks' winners, in order, as parts; then the rejects, and the manifest last. Return the manifest.

    Attempts that did not win, and what was laid out for reading, are removed. A part whose rows were all rejected
    is published too: part numbers are chunk numbers.
    """
    manifest = published_manifest(folder, job.id)
    if manifest is None:
        parts = []
        for index, winner in enumerate(winners):
            parts.append(_publish(folder, winner, f"part-{index:05d}.parquet"))
            progress.done += 1
        rejects = folder.write_tables(
            f"{ATTEMPTS}/rejects-{token}.parquet", REJECTS_SCHEMA, _rejects(folder, winners, progress)
        )
        folder.publish(rejects.name, REJECTS)
        manifest = _manifest(job, parts, WrittenFile(REJECTS, rejects.rows, rejects.sha256))
        folder.write(MANIFEST, json.dumps(manifest, indent=2).encode())
    remove_leftovers(folder)
    return manifest


def remove_leftovers(folder: JobFolder) -> None:
    """Remove attempts, and what was laid out for reading."""
    folder.remove([ATTEMPTS, PLANS])


def published_manifest(folder: JobFolder, job_id: str) -> dict[str, Any] | None:
    """Return the folder's manifest if it is this job's."""
    if not folder.exists(MANIFEST):
        return None
    manifest: dict[str, Any] = json.loads(folder.read(MANIFEST))
    return manifest if manifest.get("job") == job_id else None


def _publish(folder: JobFolder, winner: Mapping[str, Any], name: str) -> WrittenFile:
    attempt = written_file(winner["scored"])
    folder.publish(attempt.name, name)
    return WrittenFile(name, attempt.rows, attempt.sha256)


def _rejects(folder: JobFolder, winners: Sequence[Mapping[str, Any]], progress: Progress) -> Iterator[pa.Table]:
    for winner in winners:
        if winner["rejects"]:
            yield folder.read_table(written_file(winner["rejects"]).name)
            progress.done += 1


def _manifest(job: FinishedJob, parts: list[WrittenFile], rejects: WrittenFile) -> dict[str, Any]:
    return {
        "job": job.id,
        "ensemble": {"name": job.ensemble.name, "version": job.ensemble.version},
        "labels": list(job.ensemble.labels),
        "input_url": job.input_url,
        "rows": job.rows,
        "rows_scored": sum(part.rows for part in parts),
        "rows_rejected": rejects.rows,
        "degraded_chunks": job.degraded_chunks,
        "schema": [{"name": field.name, "type": str(field.type)} for field in job.schema],
        "files": [asdict(file) for file in (*parts, rejects)],
    }
