"""Jobs through a real pool: every accepted row exactly once, whatever is killed, wiped or away meanwhile."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow as pa
import pytest

from quorate.errors import MemberError, Unavailable
from quorate.rpc.quorate.v1 import jobs_pb2 as pb
from tests.integration.queue.conftest import Platform
from tests.support.jobs import (
    POISON,
    assert_exactly_once,
    created,
    digest_of,
    ended,
    folder_of,
    rejects,
    scored,
    table,
    written,
)
from tests.support.queue import odd_ages_are_dogs
from tests.support.servers import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_row_is_scored_once_and_bad_ones_are_rejected_with_their_reason(platform: Platform) -> None:
    content = table(poison=POISON)
    url = written(platform.house, content)
    job = await ended(platform.stubs, await created(platform.stubs, url, chunk_rows=700))
    assert_exactly_once(job, content)
    assert rejects(job) == {row: f"age {age:g} is no age" for row, age in POISON.items()}


async def test_csv_and_json_lines_are_scored_and_their_broken_lines_rejected(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    lines = [
        "text,age,colour,extra",
        "a,1,red,x",
        "b,two,red,x",
        "c,3,red",
        '"d\n,",4,red,x',
        ",5,red,x",
        "f,inf,red,x",
    ]
    (house.home / "rows.csv").write_text("\n".join(lines))
    job = await ended(stubs, await created(stubs, (house.home / "rows.csv").as_uri()))
    assert scored(job)["row"].to_pylist() == [0, 3, 4]
    assert scored(job)["label"].to_pylist() == ["dog", "cat", "dog"]
    reasons = rejects(job)
    assert set(reasons) == {1, 2, 5}
    assert "'two'" in reasons[1]
    assert "3 cells" in reasons[2]
    assert "infinite" in reasons[5]
    (house.home / "rows.jsonl").write_text(
        '{"text": "a", "age": 1, "colour": "red"}\n{"text": \n{"age": 2, "colour": "b"}'
    )
    job = await ended(stubs, await created(stubs, (house.home / "rows.jsonl").as_uri()))
    assert scored(job)["row"].to_pylist() == [0, 2]
    assert set(rejects(job)) == {1}


async def test_a_job_writes_the_columns_that_were_asked_for(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    columns = ["label", "members", "quorum", "expected_quality"]
    content = table(10).set_column(0, "text", pa.array([None, *["x"] * 9]))
    target = (house.home / "out").as_uri()
    job = await ended(stubs, await created(stubs, written(house, content), columns=columns, output_url=target))
    parts = scored(job)
    names = ["row", "label", "members.reader", "members.counter", "quorum", "expected_quality"]
    assert (job.output_url, parts.column_names) == (f"{target}/{job.job_id}", names)
    assert parts["quorum"].to_pylist() == [["counter"], *[["reader", "counter"]] * 9]
    assert parts["members.reader"][0].as_py() is None
    assert parts["members.counter"][1].as_py() == pytest.approx([0.1, 0.9])


async def test_a_table_that_does_not_fit_is_refused_or_fails_its_job_clearly(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    job = await ended(stubs, await created(stubs, written(house, pa.table({"size": [1]}))))
    assert job.state == "failed"
    assert "none of the columns that 'pets' reads (text, age, colour)" in job.error
    (house.home / "broken.parquet").write_bytes(b"no parquet at all")
    job = await ended(stubs, await created(stubs, (house.home / "broken.parquet").as_uri()))
    assert job.state == "failed"
    assert "broken.parquet" in job.error
    for wrong in [
        {"url": (house.home / "nowhere.parquet").as_uri()},
        {"url": (house.home / "rows.xlsx").as_uri()},
        {"url": written(house, table(1)), "columns": ["colour"]},
        {"url": written(house, table(1)), "version": "9"},
        {"url": written(house, table(1)), "chunk_rows": -1},
    ]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await created(stubs, **wrong)
        assert raised.value.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_files_go_in_under_safe_names_and_only_published_ones_come_out(platform: Platform) -> None:
    stubs = platform.stubs
    content = b"text,age,colour\na,1,red\nb,2,blue\n"

    def pieces() -> Iterator[pb.UploadRequest]:
        yield pb.UploadRequest(name="../../../etc/my rows.csv")
        for start in range(0, len(content), 7):
            yield pb.UploadRequest(data=content[start : start + 7])

    upload = await stubs.files.Upload(pieces())
    assert upload.url.endswith("/my_rows.csv")
    assert "/uploads/" in upload.url
    assert (upload.size, upload.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    job = await ended(stubs, await created(stubs, upload.url))
    assert job.files[0].endswith("/manifest.json")
    for url in job.files:
        data = b"".join([piece.data async for piece in stubs.files.Download(pb.DownloadRequest(url=url))])
        assert hashlib.sha256(data).hexdigest() == digest_of(url)
    for url in [upload.url, "file:///etc/passwd", f"{job.output_url}/../{job.job_id}/manifest.json", "http://x/y", ""]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            async for _ in stubs.files.Download(pb.DownloadRequest(url=url)):
                pass
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_missing_member_is_waited_for_unless_degraded_rows_are_allowed(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    content = table(300)
    house.reader.error = Unavailable("down for a while")
    degraded = await ended(stubs, await created(stubs, written(house, content), allow_degraded=True))
    assert scored(degraded)["degraded"].to_pylist() == [True] * 300
    job_id = await created(stubs, written(house, content), chunk_rows=100, columns=["label", "quorum"])
    await wait_until_async(
        lambda: any(chunk.attempts > 1 for chunk in house.jobs.chunks(job_id)),
        describe="a chunk is tried again",
    )
    assert house.jobs.progress(job_id).rows_done == 0
    house.reader.error = None
    job = await ended(stubs, job_id)
    assert_exactly_once(job, content)
    assert scored(job)["quorum"].to_pylist() == [["reader", "counter"]] * 300


async def test_a_row_that_breaks_a_model_is_found_and_rejected_alone(platform: Platform) -> None:
    def breaks_at_777(columns: Any) -> Any:
        if (columns["age"] == 777).any():
            raise MemberError("division by zero")
        return odd_ages_are_dogs(columns)

    house, stubs = platform.house, platform.stubs
    house.counter.model = breaks_at_777
    content = table(200, {150: 777.0})
    job = await ended(stubs, await created(stubs, written(house, content)))
    assert_exactly_once(job, content)
    assert list(rejects(job)) == [150]
    assert "division by zero" in rejects(job)[150]


async def test_a_cancelled_job_stops_and_leaves_no_attempts(platform: Platform) -> None:
    house, stubs = platform.house, platform.stubs
    house.counter.delay_seconds = 0.2
    job_id = await created(stubs, written(house, table()), chunk_rows=500)
    await wait_until_async(lambda: house.jobs.progress(job_id).chunks_done >= 1, describe="a chunk is done")
    cancelled = await stubs.jobs.Cancel(pb.JobRef(job_id=job_id))
    assert (cancelled.state, list(cancelled.files)) == ("cancelled", [])
    assert (await ended(stubs, job_id)).state == "cancelled"
    await wait_until_async(lambda: not list(folder_of(cancelled).glob("_attempts/*")), describe="no attempts left")
    done = await ended(stubs, await created(stubs, written(house, table(10), "few.parquet")))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stubs.jobs.Cancel(pb.JobRef(job_id=done.job_id))
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    listed = {job.job_id: job.state for job in (await stubs.jobs.List(pb.ListJobsRequest())).jobs}
    assert (listed[job_id], listed[done.job_id]) == ("cancelled", "done")
