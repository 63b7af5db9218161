"""LightGBM's trees as ONNX, so that float32 features take the very same branches."""

from __future__ import annotations

import re
import warnings

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

from quorate.ensemble import Task
from services.tuner.objective import Objective

OPSET = 15


def boosting_to_onnx(booster: lightgbm.Booster, objective: Objective, rounds: int) -> bytes:
    """The first `rounds` rounds as one ONNX file: `features` FP32 [N, F] in, the objective's output out."""
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    text = _with_float32_thresholds(booster.model_to_string(num_iteration=rounds))
    initial_types = [("features", FloatTensorType([None, booster.num_feature()]))]
    with warnings.catch_warnings():
        # onnxmltools calls deprecated constructors of its own dependencies.
        warnings.simplefilter("ignore", DeprecationWarning)
        model = convert_lightgbm(
            lightgbm.Booster(model_str=text), initial_types=initial_types, zipmap=False, target_opset=OPSET
        )
    if objective.task is Task.CLASSIFICATION:
        _keep_output(model.graph, "probabilities", [None, objective.outputs])
    else:
        _flatten_output(model.graph, "value")
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString()
    return content


def _with_float32_thresholds(text: str) -> str:
    """Round every threshold down to a float32: for float32 x, `x <= t` holds then for exactly the same x.

    ONNX keeps thresholds as float32, rounded to the nearest, which may move one above the value it stood below.
    """

    def rounded(match: re.Match[str]) -> str:
        values = np.array(match.group(1).split(), dtype=np.float64)
        return "threshold=" + " ".join(repr(float(value)) for value in _float32_below(values))

    text = re.sub(r"(?m)^threshold=(.*)$", rounded, text)
    # The sizes are byte counts of the trees' text, which has changed.
    return re.sub(r"(?m)^tree_sizes=.*\n", "", text)


def _float32_below(
    values: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    limits = np.finfo(np.float32)
    nearest = np.clip(values, limits.min, limits.max).astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _keep_output(graph: onnx.GraphProto, name: str, shape: list[int | None]) -> None:
    """Drop every output but `name`."""
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))


def _flatten_output(graph: onnx.GraphProto, name: str) -> None:
    """Turn the single output [N, 1] into `name` [N]."""
    source = graph.output[0].name
    graph.initializer.append(helper.make_tensor("flat", TensorProto.INT64, [1], [-1]))
    graph.node.append(helper.make_node("Reshape", [source, "flat"], [name]))
    _keep_output(graph, name, [None])
