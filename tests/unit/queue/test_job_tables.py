"""A job's input: ranges of a Parquet file, and everything else laid out as one, row for row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.ensemble import Ensemble, Task
from quorate.errors import InvalidInput, NotFound
from services.coordinator.jobs.binding import BoundRows, bind_rows, read_columns, roles_of
from services.coordinator.jobs.files import JobFolder
from services.coordinator.jobs.lease import Progress
from services.coordinator.jobs.planner import Plan, check_input, plan
from services.coordinator.jobs.source import ParquetRows
from services.coordinator.jobs.transfers import _Upload, safe_name
from tests.support.members import LABELS, image_member, table_member, text_member

PETS = Ensemble("pets", 1, Task.CLASSIFICATION, LABELS, (text_member(), image_member(), table_member()))
ROLES = roles_of(PETS, {})
LINEAGE = {"roles": {"columns": [{"column": "notes", "role": "text", "name": "text", "reason": "named"}]}}


def planned(path: Path, rows: int = 4, lineage: dict[str, object] | None = None) -> tuple[Plan, JobFolder]:
    folder = JobFolder((path.parent / "job").as_uri())
    return plan(path.as_uri(), folder, 1, PETS, roles_of(PETS, lineage or {}), rows, Progress()), folder


def bound(made: Plan, path: Path, lineage: dict[str, object] | None = None) -> list[BoundRows]:
    """Every chunk of the plan, read as a runner does."""
    roles = roles_of(PETS, lineage or {})
    with ParquetRows(made.source_url) as source:
        columns = source.schema.names
        return [
            bind_rows(batch, first, PETS, roles, path.parent.as_uri())
            for first, rows in made.ranges
            for batch in source.batches(columns, first, rows, rows, 1 << 20)
        ]


@pytest.mark.parametrize("group", [1, 3, 7, 100])
@pytest.mark.parametrize(("first", "rows"), [(0, 1), (0, 20), (5, 9), (19, 1), (6, 7)])
def test_any_range_of_rows_is_read_whatever_the_row_groups(tmp_path: Path, group: int, first: int, rows: int) -> None:
    pq.write_table(pa.table({"a": range(20), "b": ["x"] * 20}), tmp_path / "t.parquet", row_group_size=group)
    with ParquetRows((tmp_path / "t.parquet").as_uri()) as source:
        batches = list(source.batches(["a"], first, rows, 4, 1 << 20))
    assert [value for batch in batches for value in batch.column(0).to_pylist()] == list(range(first, first + rows))
    assert max(batch.num_rows for batch in batches) <= 4


def test_large_cells_are_read_a_few_rows_at_a_time(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(10_000)
    pq.write_table(pa.table({"image": [noise + bytes([row]) for row in range(40)]}), tmp_path / "t.parquet")
    with ParquetRows((tmp_path / "t.parquet").as_uri()) as source:
        assert max(batch.num_rows for batch in source.batches(["image"], 0, 40, 1000, 50_000)) <= 5


def test_parquet_is_referred_to_and_long_row_groups_are_copied_short(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table({"text": ["a"] * 100, "size": range(100)})
    pq.write_table(table, path, row_group_size=20)
    made, _ = planned(path, 30)
    assert (made.source_url, made.rows, made.ranges) == (path.as_uri(), 100, ((0, 30), (30, 30), (60, 30), (90, 10)))
    pq.write_table(table, path)
    made, folder = planned(path, 10)
    assert made.source_url == folder.url_of("_plans/1.parquet")
    with ParquetRows(made.source_url) as source:
        assert (source.rows, source.longest_row_group, source.schema.names) == (100, 10, ["text"])


def test_lines_that_cannot_be_read_keep_their_place_and_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    lines = [b"notes,age,colour,more", *(b"n%d,%d,red,x" % (row, row) for row in range(9))]
    lines[1], lines[5], lines[9], lines[3] = b"too,few", b"\xff,4,red,x", b"a,8,red,x,too many", b"n2,two,red,x"
    path.write_bytes(b"\n".join(lines))
    made, _ = planned(path, lineage=LINEAGE)
    parts = bound(made, path, LINEAGE)
    assert made.rows == 9
    assert [row for part in parts for row in part.rows.tolist()] == [1, 3, 5, 6, 7]
    assert {row for part in parts for row in part.rejected} == {0, 2, 4, 8}
    assert [cell for part in parts for cell in part.columns["text"]] == [b"n1", b"n3", b"n5", b"n6", b"n7"]
    assert [cell for part in parts for cell in part.columns["age"]] == [1, 3, 5, 6, 7]


def test_pictures_are_read_from_beside_the_table_and_from_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "one.png").write_bytes(b"PNG")
    (tmp_path / "secret").write_bytes(b"secret")
    table = tmp_path / "pics" / "t.csv"
    table.write_text('image,text\none.png,a\nnone.png,b\n../secret,c\n/etc/passwd,d\n"",e\n')
    made, _ = planned(table)
    parts = bound(made, table)
    assert [row for part in parts for row in part.rows.tolist()] == [0, 4]
    assert parts[0].columns["image"].tolist() == [b"PNG"]
    assert {row for part in parts for row in part.rejected} == {1, 2, 3}


def test_empty_cells_of_a_view_are_marked_absent_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "a", "age": 1, "colour": null}\n{"text": null, "age": null, "colour": "red"}\n')
    (part,) = bound(planned(path)[0], path)
    assert part.columns["text.present"].tolist() == [True, False]
    assert np.isnan(part.columns["age"][1])
    assert part.columns["colour"].tolist() == [b"", b"red"]
    assert "image" not in part.columns


def test_a_table_that_cannot_be_scored_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text\n")
    (tmp_path / "alien.csv").write_text("size\n1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    for name, told in [("empty.csv", "no rows"), ("alien.csv", "none of the columns"), ("broken.parquet", "Parquet")]:
        with pytest.raises(InvalidInput, match=told):
            planned(tmp_path / name)
    with pytest.raises(NotFound):
        check_input((tmp_path / "gone.csv").as_uri())
    with pytest.raises(InvalidInput, match="suffix"):
        check_input((tmp_path / "t.xlsx").as_uri())
    with pytest.raises(InvalidInput, match="cannot be opened"):
        check_input("nosuchscheme://x/t.csv")


def test_columns_that_nobody_reads_are_ignored() -> None:
    assert read_columns(PETS, ROLES, ["id", "colour", "text", "why"]) == ("text", "colour")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/x.csv", "x.csv"),
        ("C:\\a b\\ç.parquet", "_.parquet"),
        (".hidden.csv", "hidden.csv"),
        ("a$(b).csv", "a_b_.csv"),
    ],
)
def test_names_of_uploads_hold_nothing_to_trip_over(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("name", ["", "..", "noext", "///", "."])
def test_a_name_without_a_suffix_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="suffix"):
        safe_name(name)


def test_a_long_look_for_the_columns_of_json_lines_is_progress(tmp_path: Path) -> None:
    path, progress = tmp_path / "rows.jsonl", Progress()
    path.write_text('{"text": "a"}\n' * 2500)
    plan(path.as_uri(), JobFolder((tmp_path / "job").as_uri()), 1, PETS, ROLES, 1000, progress)
    assert progress.done == 3 + 2500


def test_an_upload_that_is_given_up_on_a_full_disk_is_removed(tmp_path: Path) -> None:
    upload = _Upload((tmp_path / "up" / "rows.csv").as_uri(), 100)
    upload.write(b"a,b")

    class Full:
        def close(self) -> None:
            raise OSError("no space left on device")

    upload._file = Full()
    upload.abandon()
    assert not (tmp_path / "up").exists()
