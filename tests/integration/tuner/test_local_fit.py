"""`python -m services.tuner fit`: from a table with gaps to a live ensemble, with no platform running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.artifacts import ArtifactStore
from quorate.combiners import build_combiner
from quorate.db import EvaluationStore, RegistryStore, open_database
from quorate.serving.backends.onnx import OnnxBackend
from quorate.tables import Roles, columns_of
from tests.support.pets import pets_table

MEMBERS = ("pets-image", "pets-tabular", "pets-text")


@dataclass(frozen=True)
class Fitted:
    home: Path
    events: list[dict[str, Any]]

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = self.events[-1]["result"]
        return found

    @property
    def registry(self) -> RegistryStore:
        return RegistryStore(open_database(f"sqlite:///{self.home / 'quorate.db'}"))

    @property
    def evaluations(self) -> EvaluationStore:
        return EvaluationStore(open_database(f"sqlite:///{self.home / 'quorate.db'}"))


def tuner(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.tuner", "fit", *arguments],
        env=os.environ | {"QUORATE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def gappy(table: pa.Table) -> pa.Table:
    """Every tenth note and every seventh photo missing."""
    notes = [None if row % 10 == 0 else note for row, note in enumerate(table["notes"].to_pylist())]
    photos = [None if row % 7 == 0 else photo for row, photo in enumerate(table["photo"].to_pylist())]
    return table.set_column(1, "notes", pa.array(notes)).set_column(2, "photo", pa.array(photos))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("fitted")
    pq.write_table(gappy(pets_table()), folder / "pets.parquet")
    arguments = ["--out", "pets", "--label", "species", "--events", "--max-epochs", "6"]
    done = tuner(folder / "home", str(folder / "pets.parquet"), *arguments, "--boosting-rounds", "60")
    assert done.returncode == 0, done.stderr
    return Fitted(folder / "home", [json.loads(line) for line in done.stdout.splitlines()])


def test_events_tell_each_step_and_never_go_back(fitted: Fitted) -> None:
    progress = [event["progress"] for event in fitted.events[:-1]]
    assert progress == sorted(progress)
    steps = {event["step"] for event in fitted.events[:-1]}
    assert {"reading the table", "training text (text_network) on all rows", "fitting the combiner"} <= steps


def test_ensemble_is_live_with_one_member_a_view(fitted: Fitted) -> None:
    registered = fitted.registry.get_ensemble("pets", "live")
    assert registered.ensemble.version == 1
    assert tuple(member.name for member in registered.ensemble.members) == MEMBERS
    assert Roles.from_json(registered.lineage["roles"]).label == "species"
    assert set(registered.ensemble.quality) == {"111", "110", "101", "011", "100", "010", "001"}


def test_artifacts_verify_and_answer_as_was_reported(fitted: Fitted, tmp_path: Path) -> None:
    ensemble = fitted.registry.get_ensemble("pets").ensemble
    test = pq.read_table(fitted.result["test_rows_url"])
    columns = columns_of(test, Roles.from_json(fitted.result["roles"]))
    outputs = np.zeros((3, test.num_rows, 3))
    present = np.ones((3, test.num_rows), dtype=bool)
    for i, found in enumerate(fitted.registry.members()):
        artifact = ArtifactStore("").fetch(found.artifact_url, found.artifact_digest, tmp_path)
        [view] = found.member.views
        present[i] = columns.get(f"{view}.present", present[i])
        given = {name: columns[name][present[i]] for name in found.member.columns}
        feed = artifact.preprocessors()[view].transform(given)
        [outputs[i, present[i]]] = OnnxBackend(artifact.model_path).run(feed, ["probabilities"])
    merged = build_combiner(ensemble).combine(outputs, present)
    labels = [ensemble.labels[index] for index in merged.argmax(axis=1)]
    accuracy = np.mean(np.array(labels) == np.array(test["species"].to_pylist()))
    assert accuracy == pytest.approx(fitted.result["ensemble_metrics"]["accuracy"])


def test_ensemble_beats_its_members_on_the_untouched_part(fitted: Fitted) -> None:
    members, ensemble = fitted.result["members"], fitted.result["ensemble_metrics"]
    assert ensemble["accuracy"] > max(member["accuracy"] for member in members)
    assert ensemble["log_loss"] < min(member["log_loss"] for member in members)


def test_every_figure_is_kept_in_sql_with_its_part(fitted: Fitted) -> None:
    [whole] = fitted.evaluations.find("ensemble", "pets")
    assert (whole.part, whole.rows) == ("test", fitted.result["rows"]["test"])
    assert {"accuracy", "macro_f1", "log_loss", "roc_auc"} <= set(whole.metrics)
    assert whole.metrics["accuracy"].low is not None
    for member in fitted.result["members"]:
        found = fitted.evaluations.find("member", member["name"], 1)
        assert {one.part for one in found} == {"test", "out_of_fold"}
        [test] = [one for one in found if one.part == "test"]
        assert test.metrics["log_loss"].value == pytest.approx(member["log_loss"])


def test_out_of_fold_outputs_are_kept_and_null_where_the_view_was_missing(fitted: Fitted) -> None:
    table = pq.read_table(fitted.result["out_of_fold_url"])
    rows = np.array(table["row"].to_pylist())
    gone: Mapping[str, np.ndarray] = {
        "pets-text": rows % 10 == 0,
        "pets-image": rows % 7 == 0,
        "pets-tabular": rows < 0,
    }
    for name in MEMBERS:
        assert table[name].is_null().to_pylist() == gone[name].tolist()
    known = [sum(cell) for cell in table["pets-text"].to_pylist() if cell is not None]
    np.testing.assert_allclose(known, 1, atol=1e-5)
    assert sorted(set(table["fold"].to_pylist())) == [0, 1, 2]


def test_no_row_of_the_test_part_was_trained_on(fitted: Fitted) -> None:
    trained = pq.read_table(fitted.result["out_of_fold_url"]).num_rows
    assert fitted.result["rows"] == {"train": trained, "test": 300 - trained}


def test_a_wrong_option_ends_with_one_clear_line(tmp_path: Path) -> None:
    pq.write_table(pets_table(40), tmp_path / "pets.parquet")
    done = tuner(tmp_path, str(tmp_path / "pets.parquet"), "--out", "pets", "--label", "species", "--folds", "99")
    assert done.returncode == 2
    assert "option 'folds' is '99'" in done.stderr.splitlines()[-1]
    assert "error" in json.loads(done.stdout)
