"""Jobs in tests: tables whose answers are known row by row, and the check that every row came out exactly once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from quorate.rpc.quorate.v1 import jobs_pb2 as pb
from tests.support.queue import QueueHouse, Stubs

ROWS = 5000
POISON = {17: 5000.0, 2222: 7000.0, 4999: 9000.0}


def table(rows: int = ROWS, poison: dict[int, float] | None = None) -> pa.Table:
    ages = np.arange(rows, dtype=np.float64) % 90
    for row, age in (poison or {}).items():
        ages[row] = age
    texts = ["x" * (row % 5 + 1) for row in range(rows)]
    return pa.table({"text": texts, "age": ages, "colour": ["red"] * rows, "untouched": np.arange(rows)})


def written(house: QueueHouse, content: pa.Table, name: str = "rows.parquet") -> str:
    return written_to(house.home / name, content)


def written_to(path: Path, content: pa.Table) -> str:
    """Write a Parquet file whose row groups fit no chunk, and give its URL."""
    pq.write_table(content, path, row_group_size=1500)
    return path.as_uri()


async def created(stubs: Stubs, url: str, **options: Any) -> str:
    job = await stubs.jobs.Create(pb.CreateJobRequest(ensemble="pets", input_url=url, **options), timeout=20)
    return str(job.job_id)


async def ended(stubs: Stubs, job_id: str) -> pb.Job:
    job = pb.Job()
    async for job in stubs.jobs.Watch(pb.JobRef(job_id=job_id), timeout=60):
        assert job.rows_done <= max(job.rows, job.rows_done)
    return job


def folder_of(job: pb.Job) -> Path:
    return Path(job.output_url.removeprefix("file://"))


def scored(job: pb.Job) -> pa.Table:
    return pa.concat_tables(pq.read_table(part) for part in sorted(folder_of(job).glob("part-*.parquet")))


def rejects(job: pb.Job) -> dict[int, str]:
    rejected = pq.read_table(folder_of(job) / "rejects.parquet").to_pydict()
    return dict(zip(rejected["row"], rejected["reason"], strict=True))


def assert_exactly_once(job: pb.Job, content: pa.Table) -> None:
    """Every row is in the parts or in the rejects, once, in order, and with the answer of its own cells."""
    assert (job.state, job.error) == ("done", "")
    parts, rejected = scored(job), rejects(job)
    assert parts["row"].to_pylist() == [row for row in range(content.num_rows) if row not in rejected]
    ages = content["age"].to_pylist()
    assert parts["label"].to_pylist() == ["dog" if ages[row] % 2 else "cat" for row in parts["row"].to_pylist()]
    assert (job.rows, job.rows_done, job.rows_rejected) == (content.num_rows, content.num_rows, len(rejected))
    names = {path.name for path in folder_of(job).iterdir()}
    assert names == {Path(url).name for url in job.files}
    manifest = json.loads((folder_of(job) / "manifest.json").read_bytes())
    for file in manifest["files"]:
        assert hashlib.sha256((folder_of(job) / file["name"]).read_bytes()).hexdigest() == file["sha256"]
    assert (manifest["rows_scored"], manifest["rows_rejected"]) == (parts.num_rows, len(rejected))


def digest_of(url: str) -> str:
    return hashlib.sha256(Path(url.removeprefix("file://")).read_bytes()).hexdigest()
