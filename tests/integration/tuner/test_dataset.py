"""Tables as the tuner reads them: parts, views that some rows lack, and tables that cannot be learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.ensemble import Task
from quorate.errors import InvalidInput, InvalidRows
from quorate.fitting.options import FitOptions
from services.tuner.crossfit import view_data
from services.tuner.dataset import Dataset, load_dataset
from services.tuner.models import TextLearner
from tests.support.pets import pets_table


def loaded(table: pa.Table, folder: Path, **options: object) -> Dataset:
    path = folder / "pets.parquet"
    pq.write_table(table, path)
    return load_dataset(str(path), FitOptions(**{"label": "species", **options}))  # type: ignore[arg-type]


def without(table: pa.Table, column: str, rows: list[int], value: object = None) -> pa.Table:
    cells = table[column].to_pylist()
    for row in rows:
        cells[row] = value
    kind = table.schema.field(column).type
    return table.set_column(table.column_names.index(column), column, pa.array(cells, kind))


def test_roles_are_inferred_and_parts_do_not_overlap(tmp_path: Path) -> None:
    dataset = loaded(pets_table(), tmp_path)
    assert dataset.roles.views == {"image": ("image",), "tabular": ("weight", "age", "colour"), "text": ("text",)}
    assert dataset.labels == ("bird", "cat", "dog")
    assert (len(dataset.train), len(dataset.test)) == (240, 60)
    assert not set(dataset.train) & set(dataset.test)


def test_a_view_is_learned_from_the_rows_that_have_it(tmp_path: Path) -> None:
    gone = [*range(0, 300, 5)]
    dataset = loaded(without(pets_table(), "notes", gone), tmp_path)
    data = view_data(dataset, "text")
    assert set(data.rows) == set(dataset.train) - set(gone)


def test_a_row_without_any_cell_lacks_the_table_view(tmp_path: Path) -> None:
    table = pets_table()
    for column in ("weight", "age", "colour"):
        table = without(table, column, [3, 4])
    data = view_data(loaded(table, tmp_path), "tabular")
    assert not {3, 4} & set(data.rows)


def test_numbers_with_fractions_make_it_a_regression(tmp_path: Path) -> None:
    dataset = loaded(pets_table(), tmp_path, label="weight", ignore=("notes", "photo"))
    assert (dataset.task, dataset.outputs, dataset.labels) == (Task.REGRESSION, 1, ())


def test_an_unreadable_picture_is_named_by_its_row_in_the_table(tmp_path: Path) -> None:
    table = without(without(pets_table(), "photo", [3]), "photo", [7, 90], b"\x89PNG\r\n\x1a\nno picture")
    with pytest.raises(InvalidRows) as raised:
        loaded(table, tmp_path)
    assert list(raised.value.reasons) == [7, 90]


def test_a_vocabulary_comes_from_its_own_rows_alone(tmp_path: Path) -> None:
    table = without(pets_table(), "notes", [0], "zyzzyva " * 4)
    data = view_data(loaded(table, tmp_path), "text")
    with_it, _ = data.prepare(TextLearner(1, 64, 400), np.append(data.rows, 0))
    others, _ = data.prepare(TextLearner(1, 64, 400), data.rows[data.rows != 0])
    assert b"zyzzyva" in with_it.assets()["tokenizer.json"]
    assert b"zyzzyva" not in others.assets()["tokenizer.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "speces"}, "did you mean 'species'"),
        ({"ignore": ("notes", "photo", "weight", "age", "colour")}, "no column is left to learn from"),
        ({"image": "notes", "text": "notes"}, "choose one"),
    ],
)
def test_options_that_do_not_fit_the_table_are_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        loaded(pets_table(), tmp_path, **change)


def test_a_table_of_one_class_is_refused(tmp_path: Path) -> None:
    table = pets_table()
    dogs = table.filter(pa.compute.equal(table["species"], "dog"))
    with pytest.raises(InvalidInput, match="one class only, 'dog'"):
        loaded(dogs, tmp_path)


def test_a_view_that_hardly_any_row_has_is_refused_by_name(tmp_path: Path) -> None:
    dataset = loaded(without(pets_table(), "notes", [*range(10, 300)]), tmp_path, text="notes")
    with pytest.raises(InvalidInput, match=r"training rows have the view 'text' \(text\)"):
        view_data(dataset, "text")
