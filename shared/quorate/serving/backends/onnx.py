"""ONNX Runtime on the CPU, one thread an inference: a worker's parallelism is its concurrent batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from quorate.errors import InvalidInput, MemberError
from quorate.serving.backends.base import TensorSpec

NUMPY_OF = {
    "tensor(bool)": np.dtype("?"),
    "tensor(uint8)": np.dtype("u1"),
    "tensor(uint16)": np.dtype("u2"),
    "tensor(uint32)": np.dtype("u4"),
    "tensor(uint64)": np.dtype("u8"),
    "tensor(int8)": np.dtype("i1"),
    "tensor(int16)": np.dtype("i2"),
    "tensor(int32)": np.dtype("i4"),
    "tensor(int64)": np.dtype("i8"),
    "tensor(float16)": np.dtype("f2"),
    "tensor(float)": np.dtype("f4"),
    "tensor(double)": np.dtype("f8"),
    "tensor(string)": np.dtype(object),
}


class OnnxBackend:
    """An ONNX model, opened; InvalidInput where the file, or its bytes, are no model that this runtime can run."""

    def __init__(self, model: Path | bytes) -> None:
        given = model if isinstance(model, bytes) else str(model)
        try:
            self._session = onnxruntime.InferenceSession(
                given, sess_options=_options(), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's errors share no class of their own
            raise InvalidInput(f"this is not an ONNX model that can be run: {_first_line(error)}") from error
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> list[Any]:
        """Return the named outputs; MemberError when the model fails."""
        try:
            result: list[Any] = self._session.run(outputs, feeds)
        except Exception as error:  # the runtime's errors share no class of their own
            raise MemberError(f"the model failed: {_first_line(error)}") from error
        return result


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4  # its errors reach us as exceptions
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _spec(node: Any) -> TensorSpec:
    shape = tuple(size if isinstance(size, int) else None for size in node.shape or ())
    return TensorSpec(node.name, NUMPY_OF.get(node.type), shape, node.type)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
