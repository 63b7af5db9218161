"""Fits ordered from a running platform: trained by its pool, served by its workers, then combined anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from quorate.client import Client, FitProgress
from quorate.db import EvaluationStore, FitStore, RegistryStore, open_database
from quorate.demo.platform import running_platform, state_of, wait_until_ready
from quorate.errors import QuorateError
from tests.support.pets import pets_table
from tests.support.servers import wait_until

QUICK = {"label": "species", "max_epochs": 4, "boosting_rounds": 40}


@dataclass(frozen=True)
class Fitted:
    """What a fit said whose pool was killed under it, and that pool's pid."""

    result: dict[str, Any]
    killed: int


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platform") / "home"


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[Client]:
    """A platform that serves nothing yet; a claim whose process has died comes back soon."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("QUORATE_LEASE_SECONDS", "3")
        with running_platform(home) as state, Client(state.gateway) as opened:
            yield opened


@pytest.fixture(scope="module")
def fitted(client: Client, home: Path) -> Fitted:
    """A fit through the queue, during whose training the tuner pool is killed."""
    killed: list[int] = []

    def kill_once(fit: FitProgress) -> None:
        if not killed and fit.step.startswith("training"):
            pool = state_of(home).process("tuner")
            assert pool is not None
            assert pool.pid is not None
            killed.append(pool.pid)
            psutil.Process(pool.pid).kill()

    pq.write_table(pets_table(), home / "pets.parquet")
    result = client.fit(home / "pets.parquet", "pets", QUICK, progress=kill_once)
    return Fitted(result, killed[0])


def database(home: Path) -> str:
    return f"sqlite:///{home / 'quorate.db'}"


def test_a_new_ensemble_is_registered_only_once_its_members_are_served(client: Client, fitted: Fitted) -> None:
    wait_until_ready(client, "pets", 1)
    item = pets_table(30, seed=5).to_pylist()[0]
    columns = {name: item[name] for name in ("weight", "age", "colour")}
    prediction = client.predict("pets", text=item["notes"], image=item["photo"], columns=columns)
    assert prediction.label == item["species"]


def test_live_members_give_the_ensemble_a_new_combiner_and_version(client: Client, fitted: Fitted, home: Path) -> None:
    table = pets_table(200, seed=1)
    notes = [None if row % 4 == 0 else note for row, note in enumerate(table["notes"].to_pylist())]
    pq.write_table(table.set_column(1, "notes", pa.array(notes)), home / "labelled.parquet")
    result = client.fit_ensemble("pets", home / "labelled.parquet")
    assert (result["version"], result["rows"]) == (2, {"labelled": 200})
    registry = RegistryStore(open_database(database(home)))
    assert registry.get_ensemble("pets", "live").ensemble.version == 1
    again = registry.get_ensemble("pets", 2)
    assert again.ensemble.members == registry.get_ensemble("pets", 1).ensemble.members
    assert again.lineage["combiner_from"] == 1
    kept = pq.read_table(result["out_of_fold_url"])
    assert kept["pets-text"].null_count == 50
    [evaluation] = EvaluationStore(open_database(database(home))).find("ensemble", "pets", 2)
    assert evaluation.part == "cross_fitted"
    assert evaluation.metrics["accuracy"].value > 0.85


def test_labels_that_the_ensemble_does_not_know_are_refused_by_name(client: Client, fitted: Fitted, home: Path) -> None:
    table = pets_table(60, seed=2)
    odd = ["fish" if name == "dog" else name for name in table["species"].to_pylist()]
    pq.write_table(table.set_column(0, "species", pa.array(odd)), home / "odd.parquet")
    with pytest.raises(QuorateError, match="holds 'fish'; the labels of 'pets' are 'bird', 'cat', 'dog'"):
        client.fit_ensemble("pets", home / "odd.parquet")


def test_a_fit_survives_the_death_of_its_pool(fitted: Fitted, home: Path) -> None:
    [fit] = [one for one in FitStore(open_database(database(home))).list() if one.result == fitted.result]
    assert (fit.state, fit.attempts) == ("done", 2)
    assert state_of(home).process("tuner").pid != fitted.killed  # type: ignore[union-attr]
    wait_until(lambda: not _children_of(fit.id), 10, "the dead pool's child has ended")


def _children_of(fit_id: str) -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if {"run-fit", fit_id} <= set(process.info["cmdline"] or ())]
