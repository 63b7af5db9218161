"""A table that names pictures by path, sent to where the pictures are not."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from quorate.tables import REASON, with_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/tom.jpg").write_bytes(b"\xff\xd8 tom")
    return tmp_path


def test_pictures_go_with_the_table_row_for_row(folder: Path) -> None:
    table = folder / "pets.csv"
    table.write_text("photo,age\nphotos/tom.jpg,3\nphotos/tom.jpg\nphotos/gone.jpg,5\n,7\n")
    copy = pq.read_table(with_pictures(table, folder / "photos"))
    assert copy["photo"].to_pylist()[0] == b"\xff\xd8 tom"
    assert copy["photo"].to_pylist()[2] == b"photos/gone.jpg"
    assert copy["photo"].to_pylist()[3] == b""
    assert copy["age"].to_pylist() == ["3", None, "5", "7"]
    reasons = copy[REASON].to_pylist()
    assert [reason is not None for reason in reasons] == [False, True, False, False]


@pytest.mark.parametrize("content", ["name,age\ntom,3\n", "", "photo,age\n"])
def test_a_table_without_pictures_is_sent_as_it_is(folder: Path, content: str) -> None:
    table = folder / "pets.csv"
    table.write_text(content)
    assert with_pictures(table, folder) == table
