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


TOKENIZER = (
    b'{"version":"1.0","added_tokens":[{"id":3,"content":"[PAD]","single_word":false,"lstrip":false,"rstrip":false,'
    b'"normalized":false,"special":true}],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},'
    b'"post_processor":null,"decoder":null,"truncation":null,"padding":null,'
    b'"model":{"type":"WordLevel","vocab":{"good":0,"bad":1,"[UNK]":2,"[PAD]":3},"unk_token":"[UNK]"}}'
)
"""A tokenizer.json of words: good is 0, bad is 1, any other word 2, padding 3."""


def text_model(*extra: str, length: int | str = "L") -> bytes:
    """Score the sum of a text's token ids against 0; `extra` names inputs that transformers take as well."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=FLOAT),
        helper.make_node("ReduceSum", ["ids", "axis"], ["sum"], keepdims=1),
        helper.make_node("Concat", ["sum", "zero_like"], ["scores"], axis=1),
        helper.make_node("Mul", ["sum", "nought"], ["zero_like"]),
    ]
    nodes = [nodes[0], nodes[1], nodes[3], nodes[2]]
    if "attention_mask" in extra:
        nodes.insert(1, helper.make_node("Cast", ["attention_mask"], ["mask"], to=FLOAT))
        nodes.insert(2, helper.make_node("Mul", ["ids", "mask"], ["masked"]))
        nodes[3].input[0] = "masked"
    if "token_type_ids" in extra:
        nodes.insert(0, helper.make_node("Add", ["input_ids", "token_type_ids"], ["both"]))
        nodes[1].input[0] = "both"
    weights = {"axis": np.array([1]), "nought": np.zeros((1, 1), np.float32)}
    names = ("input_ids", *extra)
    return onnx_model(nodes, [(name, INT64, ["N", length]) for name in names], [("scores", FLOAT, ["N", 2])], weights)


def picture_model(shape: Sequence[int | str] = ("N", 1, 8, 8), axes: Sequence[int] = (2, 3)) -> bytes:
    """Score a grey picture's darkness, minus its mean, against its lightness, 1 minus its mean."""
    nodes = [
        helper.make_node("ReduceMean", ["picture"], ["mean"], axes=axes, keepdims=0),
        helper.make_node("Concat", ["mean", "mean"], ["twice"], axis=1),
        helper.make_node("Sub", ["one", "twice"], ["scores"]),
    ]
    weights = {"one": np.array([[0.0, 1.0]], np.float32)}
    return onnx_model(nodes, [("picture", FLOAT, shape)], [("scores", FLOAT, ["N", 2])], weights)
