"""Small ONNX models of every shape that a member may have, as bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64, STRING, DOUBLE = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.DOUBLE
Tensor = tuple[str, int, Sequence[int | str]]


def onnx_model(
    nodes: list[object], inputs: list[Tensor], outputs: list[Tensor], weights: dict[str, np.ndarray] | None = None
) -> bytes:
    """Serialise a graph; a tensor is (name, type, shape), a dimension given as a string may have any size."""
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(*tensor) for tensor in inputs],
        [helper.make_tensor_value_info(*tensor) for tensor in outputs],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    return bytes(model.SerializeToString())


def linear_model(
    features: int = 3, classes: int = 3, *, softmax: bool = True, name: str = "features", slow: int = 0, seed: int = 0
) -> bytes:
    """A linear classifier over one matrix; `slow` adds so many 300x300 products, to keep a thread busy."""
    random = np.random.default_rng(seed)
    weights = {"w": random.normal(size=(features, classes)).astype(np.float32)}
    nodes = [helper.make_node("MatMul", [name, "w"], ["scores"])]
    last = "scores"
    if slow:
        weights["big"] = np.eye(300, dtype=np.float32)
        weights["none"] = np.zeros((300, classes), np.float32)
        weights["wide"] = np.ones((classes, 300), np.float32)
        nodes.append(helper.make_node("MatMul", ["scores", "wide"], ["hidden0"]))
        nodes += [helper.make_node("MatMul", [f"hidden{i}", "big"], [f"hidden{i + 1}"]) for i in range(slow)]
        nodes.append(helper.make_node("MatMul", [f"hidden{slow}", "none"], ["nothing"]))
        nodes.append(helper.make_node("Add", ["scores", "nothing"], ["delayed"]))
        last = "delayed"
    if softmax:
        nodes.append(helper.make_node("Softmax", [last], ["probabilities"], axis=1))
        last = "probabilities"
    return onnx_model(nodes, [(name, FLOAT, ["N", features])], [(last, FLOAT, ["N", classes])], weights)
