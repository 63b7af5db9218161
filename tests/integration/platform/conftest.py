"""A whole platform, started by the command as a user starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from quorate.home import read_state
from services.supervisor.orphans import orphans
from tests.support.servers import wait_until

Quorate = Callable[..., str]


def write_onnx(path: Path) -> Path:
    """Write a model of the columns x, y, z whose likelier class is `a` where x is above y."""
    weights = numpy_helper.from_array(np.array([[1, 0], [0, 1], [0, 0]], np.float32), "weights")
    nodes = [
        helper.make_node("MatMul", ["rows", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    rows = helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3])
    probabilities = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2])
    graph = helper.make_graph(nodes, "larger", [rows], [probabilities], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="package")
def platform_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("platform") / "home"


@pytest.fixture(scope="package")
def quorate(platform_home: Path) -> Quorate:
    """Run the command on this platform's home; it must succeed."""

    def run(*arguments: object, status: int = 0) -> str:
        command = [sys.executable, "-m", "quorate.cli", *map(str, arguments), "--home", str(platform_home)]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}
        ended = subprocess.run(command, capture_output=True, text=True, timeout=150, env=environment)
        assert ended.returncode == status, ended.stdout + ended.stderr
        return ended.stdout if status == 0 else ended.stderr

    return run


@pytest.fixture(scope="package")
def platform(
    platform_home: Path, quorate: Quorate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """A platform that runs, with the ensemble `larger` of one ONNX member; as `quorate status --json` shows it."""
    model = write_onnx(tmp_path_factory.mktemp("models") / "larger.onnx")
    spec = model.with_suffix(".yaml")
    spec.write_text("name: larger\nmembers: [larger-tabular]\n")
    quorate("members", "add", "larger-tabular", "--onnx", model, "--labels", "a,b", "--columns", "x,y,z")
    quorate("ensembles", "create", spec)
    try:
        quorate("up", "--detach")
        yield json.loads(quorate("status", "--json"))
    finally:
        quorate("down")
        state = read_state(platform_home)
        wait_until(lambda: not orphans(platform_home), describe=f"nothing is left of {state}")
