"""Reading tables: what is readable is kept with its row numbers, what is not is rejected with its reason."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv

from quorate.errors import InvalidInput, InvalidRows, NotFound
from quorate.tables import dataset_hash, iter_batches, iter_blocks, read_table

TABLE = pa.table(
    {"n": [1, 2, 3], "x": [0.5, None, 2.5], "s": ["a", "b,c", 'say "hi"\nthere'], "b": [True, False, True]}
)


def write(folder: Path, name: str, data: bytes) -> str:
    (folder / name).write_bytes(data)
    return str(folder / name)


def written(folder: Path, kind: str, table: pa.Table = TABLE) -> str:
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pq.write_table(table, path)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        csv.write_csv(table, path)
    return str(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_format_reads_the_same_table(tmp_path: Path, kind: str) -> None:
    assert read_table(written(tmp_path, kind)).to_pylist() == TABLE.to_pylist()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("rows", [1, 2, 3, 100])
def test_blocks_hold_every_row_once_with_its_number(tmp_path: Path, kind: str, rows: int) -> None:
    blocks = list(iter_blocks(written(tmp_path, kind), rows))
    assert all(block.batch.num_rows <= rows for block in blocks)
    assert np.concatenate([block.rows for block in blocks]).tolist() == [0, 1, 2]
    assert [str(cell) for block in blocks for cell in block.batch.column("n").to_pylist()] == ["1", "2", "3"]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_csv_row_that_cannot_be_read_is_rejected_by_number(tmp_path: Path, rows: int) -> None:
    data = b'a,b\n1,2\n\n3\n4,5\n6,7,8\n"x\ny",1\n\xff,0\n8,9\n10\n'
    blocks = list(iter_blocks(write(tmp_path, "t.csv", data), rows))
    rejected = {row: reason for block in blocks for row, reason in block.rejected.items()}
    good = {
        int(n): cell
        for block in blocks
        for n, cell in zip(block.rows, block.batch.column("a").to_pylist(), strict=True)
    }
    assert good == {0: "1", 2: "4", 4: "x\ny", 6: "8"}
    assert list(rejected) == [1, 3, 5, 7]
    assert "1 cells where the header has 2" in rejected[1]
    assert "UTF-8" in rejected[5]


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_a_json_line_that_cannot_be_read_is_rejected_by_number(tmp_path: Path, rows: int) -> None:
    data = b'{"a": 1}\n{"a": \n[1]\n\n{"a": {"b": 1}}\n{"a": null, "c": "late"}\n\xff\n' + b"[" * 100_000
    blocks = list(iter_blocks(write(tmp_path, "t.jsonl", data), rows))
    rejected = {row: reason for block in blocks for row, reason in block.rejected.items()}
    assert [row for block in blocks for row in block.batch.to_pylist()] == [
        {"a": 1, "c": None},
        {"a": None, "c": "late"},
    ]
    assert np.concatenate([block.rows for block in blocks]).tolist() == [0, 4]
    assert list(rejected) == [1, 2, 3, 5, 6]
    assert "column 'a' holds a dict" in rejected[3]


def test_a_json_column_has_one_type_in_all_blocks(tmp_path: Path) -> None:
    data = b'{"a": 1, "b": 1, "c": true}\n{"a": 2.5, "b": "x", "c": false}\n{"a": 100000000000000000000}\n'
    blocks = list(iter_blocks(write(tmp_path, "t.jsonl", data), 1))
    assert {str(block.batch.schema) for block in blocks} == {str(blocks[0].batch.schema)}
    assert blocks[0].batch.to_pylist()[0] == {"a": 1.0, "b": "1", "c": True}


def test_batches_refuse_the_first_bad_row(tmp_path: Path) -> None:
    url = write(tmp_path, "t.csv", b"a,b\n1,2\n3\n")
    with pytest.raises(InvalidRows, match="row 1"):
        list(iter_batches(url, 10))
    with pytest.raises(InvalidRows, match="row 1"):
        read_table(url)


def test_codes_with_leading_zeros_stay_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", b"zip,n,empty\n007,1,\n123, NA ,\n"))
    assert table["zip"].to_pylist() == ["007", "123"]
    assert table["n"].to_pylist() == [1, None]


def test_compressed_and_tab_separated_files_are_read(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "t.tsv.gz", gzip.compress(b"a\tb\n1\t2\n"))).to_pylist() == [{"a": 1, "b": 2}]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "t.csv", b"\xef\xbb\xbfa,b\n1,2\n")).column_names == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("t.csv", b"", "is empty"),
        ("t.jsonl", b"", "is empty"),
        ("t.parquet", b"", "is empty"),
        ("t.csv", b"a,b\n", "is empty"),
        ("t.csv", b"\n", "no columns"),
        ("t.csv", b"a,a\n1,2\n", "more than one column named 'a'"),
        ("t.csv", b'a,b\n1,2\n"3,4\n5,6\n', "never closes, opened on line 3"),
        ("t.csv", b"\xff\xfea,b\n", "no UTF-8: byte 0xff at position 0"),
        ("t.parquet", b"PAR1 this is none", "cannot be read as Parquet"),
        ("t.csv.gz", b"no gzip", "cannot be"),
        ("t.xlsx", b"PK", "no known suffix"),
    ],
)
def test_a_file_that_is_no_table_is_refused_by_name(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    url = write(tmp_path, name, data)
    with pytest.raises(InvalidInput, match=expected) as raised:
        read_table(url)
    assert name in str(raised.value)


def test_parquet_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(InvalidInput, match="more than one column named 'a'"):
        read_table(written(tmp_path, "parquet", table))


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        read_table(str(tmp_path / "none.csv"))
    with pytest.raises(InvalidInput, match="cannot be opened"):
        read_table("nowhere://x/rows.csv")


def test_a_stray_quote_inside_a_cell_is_no_open_quote(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "t.csv", b'a,b\n5" pipe,2\n')).num_rows == 1


@given(
    st.lists(st.tuples(st.one_of(st.none(), st.integers(-9, 9)), st.text(max_size=3)), min_size=1), st.integers(1, 7)
)
def test_the_digest_does_not_depend_on_how_the_table_is_cut(rows: list[tuple[int | None, str]], size: int) -> None:
    table = pa.table({"n": pa.array([n for n, _ in rows], pa.int64()), "s": [s for _, s in rows]})
    cut = pa.Table.from_batches(table.to_batches(max_chunksize=size))
    assert dataset_hash(cut) == dataset_hash(table)
    assert dataset_hash(pa.concat_tables([table, table]).slice(len(rows))) == dataset_hash(table)


def test_the_digest_tells_apart_what_differs() -> None:
    tables = [
        TABLE,
        TABLE.rename_columns(["m", "x", "s", "b"]),
        TABLE.take(pa.array([1, 0, 2])),
        pa.table({"s": ["ab", "c"]}),
        pa.table({"s": ["a", "bc"]}),
        pa.table({"s": ["", None]}),
        pa.table({"s": [None, ""]}),
        pa.table({"s": [0, 1]}),
        pa.table({"s": [0, None]}),
        pa.table({"s": [[1], [2]]}),
        pa.table({"s": [[1], [3]]}),
    ]
    assert len({dataset_hash(table) for table in tables}) == len(tables)
