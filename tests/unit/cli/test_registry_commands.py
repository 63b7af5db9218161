"""Members and ensembles from the command line, with no platform running."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

SPEC = """
name: churn
members: [trees]
policy: {deadline_seconds: 1.5}
"""


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """A model that gives two probabilities for a row of three numbers."""
    weights = numpy_helper.from_array(np.ones((3, 2), np.float32), "weights")
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])],
        [weights],
    )
    path = tmp_path / "trees.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    onnx.checker.check_model(model)
    return path


def add_trees(run, home: Path, onnx_file: Path):
    return run("members", "add", "trees", "--onnx", onnx_file, "--view", "tabular", "--labels", "stay, leave",
               "--columns", "a,b,c", "--home", home, "--json")  # fmt: skip


def test_an_onnx_file_becomes_a_member_and_its_worker_s_artifact(run, home: Path, onnx_file: Path) -> None:
    added = add_trees(run, home, onnx_file)
    assert added.status == 0, added.err
    assert (added.json["version"], added.json["labels"], added.json["columns"]) == (
        1,
        ["stay", "leave"],
        ["a", "b", "c"],
    )
    assert len(list((home / "store" / "members" / "trees").rglob("member.json"))) == 1
    assert add_trees(run, home, onnx_file).json["version"] == 2
    listed = run("members", "--json", "--home", home).json
    assert [(entry["name"], entry["version"], entry["source"]) for entry in listed] == [
        ("trees", 1, "artifact"),
        ("trees", 2, "artifact"),
    ]


def test_an_ensemble_is_created_listed_and_its_alias_moved(run, home: Path, onnx_file: Path, tmp_path: Path) -> None:
    add_trees(run, home, onnx_file)
    spec = tmp_path / "churn.yaml"
    spec.write_text(SPEC)
    assert run("ensembles", "create", spec, "--home", home).out == "churn version 1 (live): trees\n"
    assert run("ensembles", "create", spec, "--home", home, "--json").json["version"] == 2
    run("ensembles", "alias", "churn", "live", 2, "--home", home)
    run("ensembles", "alias", "churn", "canary", 1, "--home", home)
    listed = run("ensembles", "--json", "--home", home).json
    assert [(each["name"], each["version"], each["aliases"]) for each in listed] == [
        ("churn", 1, ["canary"]),
        ("churn", 2, ["live"]),
    ]
    assert listed[0]["task"] == "classification"
    assert listed[0]["members"] == ["trees"]
    assert run("ensembles", "list", "--json", "--home", home).json == listed
    assert "churn" in run("ensembles", "list", "--home", home).out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: churn\nmembers: [nobody]\n", "'nobody'"),
        ("name: churn\nmembers: [trees]\nspeed: 3\n", "speed"),
        (b"\xff\xfe", "no UTF-8"),
    ],
)
def test_a_specification_that_does_not_fit_is_refused_in_one_line(
    run, home: Path, onnx_file: Path, tmp_path: Path, text: str | bytes, message: str
) -> None:
    add_trees(run, home, onnx_file)
    spec = tmp_path / "spec.yaml"
    spec.write_bytes(text if isinstance(text, bytes) else text.encode())
    ran = run("ensembles", "create", spec, "--home", home)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert message in ran.err


def test_what_is_no_onnx_file_is_refused_and_registers_nothing(run, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"not a model")
    ran = run("members", "add", "bad", "--onnx", path, "--labels", "a,b", "--home", home)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert run("members", "--json", "--home", home).json == []


def test_an_endpoint_that_does_not_answer_is_named(run, home: Path) -> None:
    ran = run("members", "add", "far", "--endpoint", "127.0.0.1:1", "--labels", "a,b", "--home", home)
    assert ran.status == 1
    assert "127.0.0.1:1" in ran.err
    assert run("members", "add", "far", "--endpoint", "here", "--labels", "a,b", "--home", home).err == (
        "error: the endpoint is 'here'; give HOST:PORT of the server's gRPC port\n"
    )


def test_an_alias_of_a_version_that_is_not_there_is_refused(run, home: Path) -> None:
    ran = run("ensembles", "alias", "churn", "live", 1, "--home", home)
    assert ran.status == 1
    assert "churn" in ran.err
