"""The one request that every lane is measured with: a row with all three views, as bytes ready to send."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from quorate.oip.messages import infer_request
from quorate.rpc.quorate.v1 import answers_pb2 as v1
from quorate.tensors import datatype_of, to_raw
from tests.bench.platform import NAME

RENAMED = {"transcript": "text", "scan": "image"}
"""Column of the digits' table to the tensor that it fills."""


def first_row(table: pa.Table) -> dict[str, np.ndarray]:
    [row] = table.slice(0, 1).to_pylist()
    return {RENAMED.get(name, name): _array(value) for name, value in row.items() if name != "digit"}


def _array(value: str | bytes | float) -> np.ndarray:
    if isinstance(value, float):
        return np.array([value])
    array = np.empty(1, dtype=object)
    array[0] = value.encode() if isinstance(value, str) else value
    return array


def write_requests(table: pa.Table, folder: Path) -> tuple[Path, Path]:
    """Write the row as a ModelInferRequest and as a SubmitRequest; return both files."""
    row = first_row(table)
    infer, submit = folder / "infer.bin", folder / "submit.bin"
    tensors = [(name, datatype_of(array), array) for name, array in row.items()]
    infer.write_bytes(infer_request(NAME, "", tensors, outputs=("probabilities",)).SerializeToString())
    inputs = [
        v1.Tensor(name=name, datatype=datatype_of(array), shape=array.shape, raw=to_raw(array))
        for name, array in row.items()
    ]
    submit.write_bytes(v1.SubmitRequest(request=v1.PredictRequest(ensemble=NAME, inputs=inputs)).SerializeToString())
    return infer, submit
