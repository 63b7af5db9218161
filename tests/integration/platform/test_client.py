"""Both clients against a real platform: now, through the queue, and files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.client import AsyncClient, Client, JobProgress
from quorate.errors import InvalidInput, NotFound
from tests.integration.platform.conftest import Quorate

ROWS = 300


@pytest.fixture
def client(platform: dict[str, Any]) -> Iterator[Client]:
    with Client(platform["gateway"]) as client:
        yield client


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Rows whose right label is `a` where the number is even."""
    even = [float(number % 2 == 0) for number in range(ROWS)]
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": even, "y": [1 - each for each in even], "z": [0.0] * ROWS}), path)
    return path


def check_parts(parts: tuple[Path, ...]) -> None:
    table = pa.concat_tables([pq.read_table(part) for part in parts])
    assert table["row"].to_pylist() == list(range(ROWS))
    assert table["label"].to_pylist() == ["a", "b"] * (ROWS // 2)


def test_a_batch_is_answered_row_by_row(client: Client) -> None:
    answer = client.predict("larger", columns={"x": [2, 0], "y": [1, 1], "z": [0, 0]}, timeout=10)
    assert answer.labels == ("a", "b")
    assert answer.probabilities.shape == (2, 2)
    assert answer.probabilities.sum(axis=1).tolist() == pytest.approx([1, 1])
    assert (answer.classes, answer.answered, answer.degraded) == (("a", "b"), ("larger-tabular",), False)


async def test_the_async_client_answers_the_same(platform: dict[str, Any], client: Client) -> None:
    columns = {"x": [2, 0], "y": [1, 1], "z": [0, 0]}
    async with AsyncClient(platform["gateway"]) as awaited:
        answer = await awaited.predict("larger", columns=columns, members=True, timeout=10)
        members = await awaited.members()
        assert [each.name for each in await awaited.ensembles() if each.name == "larger"] == ["larger"]
    blocking = client.predict("larger", columns=columns, members=True, timeout=10)
    assert answer.outputs.keys() == blocking.outputs.keys() == {"probabilities", "label", "members.larger-tabular"}
    assert answer.probabilities.tolist() == blocking.probabilities.tolist()
    assert "larger-tabular" in {member.name for member in members}


async def test_the_queue_answers_what_the_gateway_answers(platform: dict[str, Any], client: Client) -> None:
    now = client.predict("larger", columns={"x": 2, "y": 1, "z": 0}, timeout=10)
    request = client.submit("larger", columns={"x": 2, "y": 1, "z": 0}, idempotency_key="once")
    assert client.submit("larger", columns={"x": 2, "y": 1, "z": 0}, idempotency_key="once") == request
    assert client.await_(request, timeout=30).probabilities.tolist() == now.probabilities.tolist()
    async with AsyncClient(platform["gateway"]) as awaited:
        request = await awaited.submit("larger", columns={"x": 2, "y": 1, "z": 0})
        assert (await awaited.await_(request, timeout=30)).label == "a"


def test_a_file_is_scored_row_by_row_and_its_progress_shown(client: Client, rows: Path, tmp_path: Path) -> None:
    seen: list[JobProgress] = []
    result = client.score("larger", rows, tmp_path / "scored", progress=seen.append, chunk_rows=64)
    assert (result.job.state, result.manifest["rows_scored"], result.job.rows_rejected) == ("done", ROWS, 0)
    assert seen[-1].ended
    assert len(result.parts) == 5
    check_parts(result.parts)
    assert client.job(result.job.id).state == "done"
    assert result.job.id in [job.id for job in client.jobs()]


async def test_a_file_is_scored_by_the_async_client_too(platform: dict[str, Any], rows: Path, tmp_path: Path) -> None:
    async with AsyncClient(platform["gateway"]) as awaited:
        result = await awaited.score("larger", rows, tmp_path / "scored", columns=["label", "quorum"])
        assert (await awaited.job(result.job.id)).rows_done == ROWS
        assert result.job.id in [job.id for job in await awaited.jobs()]
    check_parts(result.parts)
    assert pq.read_table(result.parts[0])["quorum"][0].as_py() == ["larger-tabular"]


def test_the_command_scores_a_csv_and_names_its_rejects(
    platform: dict[str, Any], quorate: Quorate, tmp_path: Path
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("x,y,z\n2,1,0\nmany,1,0\n0,1,0\n")
    said = json.loads(quorate("score", "larger", path, "--out", tmp_path / "scored", "--json"))
    assert (said["manifest"]["rows_scored"], said["manifest"]["rows_rejected"]) == (2, 1)
    rejects = pq.read_table(tmp_path / "scored" / "rejects.parquet").to_pylist()
    assert [reject["row"] for reject in rejects] == [1]
    assert "many" in rejects[0]["reason"]
    job = quorate("score", "larger", path, "--detach").strip()
    assert json.loads(quorate("jobs", "show", job, "--json"))["id"] == job
    assert job in quorate("jobs", "list", "--json")


def test_what_is_asked_wrongly_is_our_own_error_on_both_clients(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nobody"):
        client.predict("nobody", columns={"x": 1}, timeout=10)
    with pytest.raises(NotFound, match="nobody"):
        client.predict("nobody", columns={"x": 1}, members=True, timeout=10)
    with pytest.raises(InvalidInput, match="'q'"):
        client.predict("larger", columns={"q": 1}, timeout=10)
    with pytest.raises(InvalidInput, match="is no file"):
        client.score("larger", tmp_path / "none.csv")
    with pytest.raises(NotFound):
        client.job("none")
    with pytest.raises(NotFound):
        client.await_("none", timeout=10)


async def test_errors_of_the_async_client_are_the_same(platform: dict[str, Any]) -> None:
    async with AsyncClient(platform["gateway"]) as awaited:
        with pytest.raises(NotFound, match="nobody"):
            await awaited.predict("nobody", columns={"x": 1}, timeout=10)
        with pytest.raises(NotFound):
            await awaited.cancel_job("none")
