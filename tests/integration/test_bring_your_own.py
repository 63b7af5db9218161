"""A member of ours, a plain ONNX file, and a model on MLServer answer as one ensemble."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from quorate.client import Client
from quorate.demo.platform import running_platform, wait_until_ready
from tests.support.mlserver import iris_on_mlserver
from tests.support.onnx_models import onnx_model

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
LABELS = ["setosa", "versicolor", "virginica"]
SPEC = """
name: flowers
members: [flowers-ours-tabular, flowers-onnx, flowers-mlserver]
combiner: {kind: soft_vote}
policy: {deadline_seconds: 5, min_members: 2}
"""


def iris_table() -> pa.Table:
    data = load_iris()
    columns = {name: data.data[:, index] for index, name in enumerate(COLUMNS)}
    return pa.table(columns | {"species": [LABELS[index] for index in data.target]})


def iris_onnx() -> bytes:
    """A logistic regression as a user exports it: one float matrix in, probabilities out."""
    fitted = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    weights = {"w": fitted.coef_.T.astype(np.float32), "b": fitted.intercept_.astype(np.float32)}
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["scores"]), helper.make_node("Softmax", ["scores"], ["p"])]
    return onnx_model(nodes, [("x", TensorProto.FLOAT, ["N", 4])], [("p", TensorProto.FLOAT, ["N", 3])], weights)


def quorate(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "quorate.cli", *arguments, "--home", str(home)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, f"quorate {' '.join(arguments)}: {ended.stdout}{ended.stderr}"
    return ended.stdout


@dataclass(frozen=True)
class Flowers:
    home: Path
    client: Client
    table: Path


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flowers]:
    folder = tmp_path_factory.mktemp("flowers")
    home, table, model, spec = folder / "home", folder / "iris.parquet", folder / "iris.onnx", folder / "flowers.yaml"
    pq.write_table(iris_table(), table)
    model.write_bytes(iris_onnx())
    spec.write_text(SPEC)
    names = ["--labels", ",".join(LABELS), "--columns", ",".join(COLUMNS)]
    with iris_on_mlserver(folder / "mlserver") as address:
        quorate(home, "fit", str(table), "--label", "species", "--out", "flowers-ours", "--local")
        with running_platform(home) as state, Client(state.gateway) as client:
            quorate(home, "members", "add", "flowers-onnx", "--onnx", str(model), "--view", "tabular", *names)
            foreign = ["--endpoint", address, "--model", "iris", "--input", "x:FP32", "--output", "predict_proba"]
            quorate(home, "members", "add", "flowers-mlserver", *foreign, *names)
            quorate(home, "ensembles", "create", str(spec))
            wait_until_ready(client, "flowers", 1)
            yield Flowers(home, client, table)


@pytest.mark.peers
def test_all_three_answer_as_one(flowers: Flowers) -> None:
    row = {name: [5.1, 6.7] for name in COLUMNS[:1]} | dict(
        zip(COLUMNS[1:], ([3.5, 3.0], [1.4, 5.2], [0.2, 2.3]), strict=True)
    )
    answer = flowers.client.predict("flowers", columns=row, members=True)
    assert answer.labels == ("setosa", "virginica")
    assert set(answer.answered) == {"flowers-ours-tabular", "flowers-onnx", "flowers-mlserver"}
    np.testing.assert_allclose(answer.by_member["flowers-onnx"], answer.by_member["flowers-mlserver"], atol=1e-3)
    np.testing.assert_allclose(answer.probabilities, np.mean(list(answer.by_member.values()), axis=0), atol=1e-5)


@pytest.mark.peers
def test_the_combiner_is_fitted_through_the_live_members(flowers: Flowers) -> None:
    before = quorate(flowers.home, "ensembles", "--json")
    assert [each["version"] for each in json.loads(before) if each["name"] == "flowers"] == [1]
    quorate(flowers.home, "ensembles", "fit", "flowers", str(flowers.table), "--label", "species")
    quorate(flowers.home, "ensembles", "alias", "flowers", "live", "2")
    listed = [each for each in json.loads(quorate(flowers.home, "ensembles", "--json")) if each["name"] == "flowers"]
    assert {each["version"]: each["aliases"] for each in listed} == {1: [], 2: ["live"]}
    wait_until_ready(flowers.client, "flowers", 2)
    answer = flowers.client.predict(
        "flowers", version="live", columns=dict(zip(COLUMNS, (5.1, 3.5, 1.4, 0.2), strict=True))
    )
    assert answer.version == 2
    assert answer.label == "setosa"
    assert answer.expected_quality is not None


@pytest.mark.peers
def test_a_file_is_scored_by_all_three(flowers: Flowers, tmp_path: Path) -> None:
    quorate(flowers.home, "score", "flowers", str(flowers.table), "--out", str(tmp_path / "scored"))
    [part] = (tmp_path / "scored").glob("part-*.parquet")
    scored = pq.read_table(part)
    assert sorted(scored["row"].to_pylist()) == list(range(150))
    truth = iris_table()["species"].to_pylist()
    right = [
        truth[row] == label for row, label in zip(scored["row"].to_pylist(), scored["label"].to_pylist(), strict=True)
    ]
    assert np.mean(right) > 0.95
