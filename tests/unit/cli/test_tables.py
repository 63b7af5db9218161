"""A user's table made ready for the tuner, and the tuner's own words."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from quorate.cli.fit import options_of
from quorate.cli.fitted import print_fit
from quorate.cli.tables import prepared_table
from quorate.cli.training import fit_here
from quorate.errors import InvalidInput, InvalidRows, QuorateError
from quorate.settings import Settings

ROLES = {"label": "species", "image": "photo"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table that names two pictures, and one of them."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "tom.png").write_bytes(b"\x89PNG tom")
    (tmp_path / "pets.csv").write_text("species,photo\ncat,photos/tom.png\ndog,photos/rex.png\n")
    return tmp_path


def test_pictures_named_by_path_are_packed_into_the_table(folder: Path) -> None:
    (folder / "photos" / "rex.png").write_bytes(b"\x89PNG rex")
    with prepared_table(str(folder / "pets.csv"), ROLES, show=False) as prepared:
        assert pq.read_table(prepared)["photo"].to_pylist() == [b"\x89PNG tom", b"\x89PNG rex"]
    assert not Path(prepared).exists()


def test_a_picture_that_is_not_there_is_named_by_its_row(folder: Path) -> None:
    with (
        pytest.raises(InvalidRows, match=r"row 1: picture 'photos/rex\.png'"),
        prepared_table(str(folder / "pets.csv"), ROLES, show=False),
    ):
        pass


def test_a_table_without_pictures_is_sent_as_it_is_and_its_roles_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "rows.csv"
    table.write_text("species,weight\ncat,4.5\ndog,14.5\n")
    with prepared_table(str(table), {"label": "species"}, show=True) as prepared:
        assert prepared == str(table)
    shown = capsys.readouterr().out
    assert "species" in shown
    assert "numeric" in shown


def test_a_url_is_left_to_the_platform_and_a_missing_file_is_not() -> None:
    with prepared_table("s3://bucket/pets.parquet", ROLES, show=True) as prepared:
        assert prepared == "s3://bucket/pets.parquet"
    with pytest.raises(InvalidInput, match=r"'none\.csv' is no file"), prepared_table("none.csv", ROLES, show=False):
        pass


def test_any_option_of_a_fit_can_be_given() -> None:
    assert options_of(["boosting_rounds=50", "augment_images=false", "task=regression"]) == {
        "boosting_rounds": 50,
        "augment_images": False,
        "task": "regression",
    }


def test_local_training_that_fails_says_what_the_tuner_said(folder: Path) -> None:
    with pytest.raises(QuorateError, match=r"there is no column 'specie' \(did you mean 'species'\?\)"):
        fit_here(str(folder / "pets.csv"), "pets", {"label": "specie"}, Settings(home=folder), print)


@pytest.mark.parametrize(
    ("option", "message"),
    [({"folds": 99}, "option 'folds' is 99"), ({"epoch": 3}, "option 'epoch' is not known; the options are label,")],
)
def test_an_option_that_no_fit_has_is_refused_before_the_tuner_starts(
    folder: Path, option: dict[str, int], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        fit_here(str(folder / "pets.csv"), "pets", {"label": "species", **option}, Settings(home=folder), print)


def test_a_fit_is_shown_as_its_members_and_their_ensemble(capsys: pytest.CaptureFixture[str]) -> None:
    member = {"name": "pets-text", "version": 1, "view": "text", "accuracy": 0.9, "log_loss": 0.25}
    result = {
        "ensemble": "pets",
        "version": 2,
        "members": [member],
        "ensemble_metrics": {"accuracy": 0.95, "log_loss": 0.125},
        "rows": {"train": 80, "test": 20},
    }
    print_fit(result)
    shown = capsys.readouterr().out
    assert "0.9500" in shown
    assert "80 train rows, 20 test rows\nregistered pets version 2\n" in shown
    assert "quorate ensembles alias pets live 2" in shown
