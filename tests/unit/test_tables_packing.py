"""Columns as members read them, from whatever file the rows came."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from quorate.errors import InvalidInput, InvalidRows
from quorate.tables import ColumnRole, Roles, columns_of, pack_images

ROLES = Roles(
    (
        ColumnRole("notes", "text", "text"),
        ColumnRole("photo", "image", "image"),
        ColumnRole("age", "numeric", "age"),
        ColumnRole("colour", "categorical", "colour"),
        ColumnRole("species", "label"),
    )
)
TABLE = pa.table({"notes": ["é", "b"], "photo": [b"1", b"2"], "age": [1, None], "colour": ["red", None]})


def test_columns_have_the_wires_names_and_types() -> None:
    columns = columns_of(TABLE, ROLES)
    assert columns["text"].tolist() == ["é".encode(), b"b"]
    assert columns["image"].tolist() == [b"1", b"2"]
    assert columns["age"].dtype == np.float64
    assert columns["age"][0] == 1
    assert np.isnan(columns["age"][1])
    assert columns["colour"].tolist() == [b"red", b""]


def test_a_file_may_name_columns_as_the_wire_does() -> None:
    renamed = TABLE.rename_columns(["text", "image", "age", "colour"])
    assert columns_of(renamed, ROLES)["text"].tolist() == columns_of(TABLE, ROLES)["text"].tolist()


def test_a_batch_of_strings_gives_the_same_as_a_typed_table() -> None:
    batch = pa.record_batch({"age": [" 1.0 ", "NA"], "colour": ["red", ""]})
    columns = columns_of(batch, ROLES)
    assert columns["age"][0] == 1
    assert np.isnan(columns["age"][1])
    assert "text" not in columns


@pytest.mark.parametrize(
    ("cells", "expected"),
    [([True, False], [b"true", b"false"]), ([3, 4], [b"3", b"4"]), (["a", "b"], [b"a", b"b"])],
)
def test_categories_are_written_as_text(cells: list[object], expected: list[bytes]) -> None:
    assert columns_of(pa.table({"age": [1, 2], "colour": cells}), ROLES)["colour"].tolist() == expected
    coded = pa.table({"age": [1, 2], "colour": pa.array(cells).dictionary_encode()})
    assert columns_of(coded, ROLES)["colour"].tolist() == expected


def test_empty_cells_of_a_whole_view_are_told_as_absent() -> None:
    columns = columns_of(pa.table({"notes": ["a", None, ""]}), ROLES)
    assert columns["text.present"].tolist() == [True, False, False]
    assert "text.present" not in columns_of(TABLE, ROLES)


def test_a_row_without_any_cell_of_the_table_has_no_tabular_view() -> None:
    rows = pa.table({"age": [1, None, None], "colour": [None, "red", None]})
    assert columns_of(rows, ROLES)["tabular.present"].tolist() == [True, True, False]
    assert "tabular.present" not in columns_of(rows.slice(0, 2), ROLES)


def test_every_cell_that_is_no_number_rejects_its_row() -> None:
    table = pa.table({"age": ["1", "old", "1_000", "2"], "colour": ["a"] * 4})
    with pytest.raises(InvalidRows, match="column 'age' holds 'old'") as raised:
        columns_of(table, ROLES)
    assert list(raised.value.reasons) == [1, 2]


def test_a_missing_table_column_is_named() -> None:
    with pytest.raises(InvalidInput, match="lacks the columns 'colour'"):
        columns_of(TABLE.drop_columns(["colour"]), ROLES)
    with pytest.raises(InvalidInput, match="none of the columns"):
        columns_of(pa.table({"z": [1]}), ROLES)


def test_bytes_and_nested_cells_are_no_numbers() -> None:
    with pytest.raises(InvalidInput, match="'age' holds bytes"):
        columns_of(pa.table({"age": [b"1"], "colour": ["a"]}), ROLES)
    with pytest.raises(InvalidInput, match="'age' holds list"):
        columns_of(pa.table({"age": [[1]], "colour": ["a"]}), ROLES)


def test_paths_become_the_files_bytes_and_a_missing_one_rejects_its_row(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"picture")
    packed, rejected = pack_images(pa.table({"photo": ["a.png", "b.png", None]}), ROLES, str(tmp_path))
    assert packed["photo"].to_pylist() == [b"picture", b"", b""]
    assert list(rejected) == [1]
    assert "'b.png' cannot be read" in rejected[1]


def test_a_path_may_not_leave_the_folder_unless_the_user_says_so(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    paths = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "x/../../secret.png"]
    packed, rejected = pack_images(pa.table({"photo": paths}), ROLES, str(inside))
    assert packed["photo"].to_pylist() == [b""] * 4
    assert list(rejected) == [0, 1, 2, 3]
    packed, rejected = pack_images(pa.table({"photo": paths[:2]}), ROLES, str(inside), anywhere=True)
    assert packed["photo"].to_pylist() == [b"secret"] * 2
    assert not rejected


def test_pictures_that_are_bytes_already_stay(tmp_path: Path) -> None:
    packed, rejected = pack_images(TABLE.to_batches()[0], ROLES, str(tmp_path))
    assert packed["photo"].to_pylist() == [b"1", b"2"]
    assert not rejected
