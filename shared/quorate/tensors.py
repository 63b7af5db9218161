"""Numpy arrays to and from the Open Inference Protocol's raw tensor bytes. No protobuf, no gRPC.

Source: https://github.com/kserve/open-inference-protocol, "Tensor Data".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.errors import InvalidInput

NUMPY_TYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
    "BYTES": np.dtype(object),
}
DATATYPES = {dtype: name for name, dtype in NUMPY_TYPES.items()}


def datatype_of(array: NDArray[Any]) -> str:
    """Name the array's OIP datatype; strings and objects are BYTES."""
    if array.dtype.kind in "OSU":
        return "BYTES"
    try:
        return DATATYPES[array.dtype.newbyteorder("<")]
    except KeyError:
        raise InvalidInput(
            f"numpy type {array.dtype} has no tensor datatype; use one of {', '.join(NUMPY_TYPES)}"
        ) from None


def to_raw(array: NDArray[Any]) -> bytes:
    """Serialise the array row-major; BYTES elements carry a four-byte little-endian length each."""
    if array.dtype.kind in "OSU":
        return b"".join(_length_prefixed(array.ravel()))
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()


def from_raw(name: str, datatype: str, shape: Sequence[int], raw: bytes) -> NDArray[Any]:
    """Rebuild the array; numbers share `raw`'s memory and are read-only, BYTES become an object array of bytes.

    Raises InvalidInput for an unknown datatype, a negative dimension, or bytes that do not fill the shape.
    """
    dtype = NUMPY_TYPES.get(datatype)
    if dtype is None:
        raise InvalidInput(f"tensor {name!r} has datatype {datatype!r}; use one of {', '.join(NUMPY_TYPES)}")
    if shape and min(shape) < 0:
        raise InvalidInput(f"tensor {name!r} has shape {list(shape)}; a request's dimensions are 0 or more")
    count = prod(shape)
    if datatype == "BYTES":
        return _bytes_elements(name, count, raw).reshape(shape)
    if len(raw) != count * dtype.itemsize:
        raise InvalidInput(
            f"tensor {name!r} of {datatype} {list(shape)} needs {count * dtype.itemsize} bytes, got {len(raw)}"
        )
    return np.frombuffer(raw, dtype=dtype).reshape(shape)


def _length_prefixed(elements: Iterable[Any]) -> Iterable[bytes]:
    for element in elements:
        data = element.encode() if isinstance(element, str) else bytes(element)
        yield struct.pack("<I", len(data))
        yield data


def _bytes_elements(name: str, count: int, raw: bytes) -> NDArray[Any]:
    if count * 4 > len(raw):
        raise InvalidInput(
            f"tensor {name!r} states {count} BYTES elements, but {len(raw)} bytes hold at most {len(raw) // 4}"
        )
    elements = np.empty(count, dtype=object)
    offset = 0
    for index in range(count):
        if offset + 4 > len(raw):
            raise InvalidInput(f"tensor {name!r} ends inside the length of BYTES element {index}")
        (length,) = struct.unpack_from("<I", raw, offset)
        offset += 4
        if offset + length > len(raw):
            raise InvalidInput(
                f"BYTES element {index} of tensor {name!r} states {length} bytes; {len(raw) - offset} are left"
            )
        elements[index] = raw[offset : offset + length]
        offset += length
    if offset != len(raw):
        raise InvalidInput(f"tensor {name!r} has {len(raw) - offset} bytes after its last BYTES element")
    return elements
