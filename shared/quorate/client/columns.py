"""Python values as an ensemble's tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quorate.errors import InvalidInput, not_utf8
from quorate.rpc.quorate.v1 import answers_pb2 as pb
from quorate.tensors import datatype_of, to_raw

Text = str | Sequence[str | None] | None
Image = bytes | str | PathLike[str] | NDArray[Any] | Sequence[Any] | None
Table = Mapping[str, Any] | None

RESERVED = ("text", "image")


def tensors_of(text: Text = None, image: Image = None, columns: Table = None) -> list[pb.Tensor]:
    """Write an item, or a batch of them, as tensors; a view or column that is None is left out.

    A plain value is one row, a list or an array is as many; all must agree. Within a list, None is a missing
    value. Raises InvalidInput for values that no tensor holds, and for rows that disagree.
    """
    arrays: dict[str, NDArray[Any]] = {}
    if text is not None:
        arrays["text"] = text_array(text)
    if image is not None:
        arrays["image"] = image_array(image)
    for name, value in (columns or {}).items():
        if name in RESERVED:
            raise InvalidInput(f"column {name!r} is a view of its own; give it as {name}=...")
        if value is not None:
            arrays[name] = column_array(name, value)
    _check_rows(arrays)
    return [tensor_of(name, array) for name, array in arrays.items()]


def tensor_of(name: str, array: NDArray[Any]) -> pb.Tensor:
    return pb.Tensor(name=name, datatype=datatype_of(array), shape=array.shape, raw=to_raw(array))


def text_array(text: str | Sequence[str | None]) -> NDArray[Any]:
    """Return the texts as BYTES [N], UTF-8; None is empty, which means missing."""
    texts = [text] if isinstance(text, str | bytes) else list(text)
    return _bytes_array("text", texts)


def image_array(image: Any) -> NDArray[Any]:
    """Return pictures as BYTES [N] (files' contents, or paths to read) or as UINT8 [N,H,W] or [N,H,W,C].

    One array of two axes is one grey picture; of three, one picture in colour where its last axis has 1, 3 or 4,
    else a batch of grey ones.
    """
    if isinstance(image, np.ndarray) and image.dtype != object:
        pixels = _pixels(image)
        alone = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[-1] in (1, 3, 4))
        return pixels[None] if alone else pixels
    pictures: list[Any] = list(image) if isinstance(image, list | tuple | np.ndarray) else [image]
    if pictures and all(isinstance(picture, np.ndarray) for picture in pictures):
        if len({picture.shape for picture in pictures}) > 1:
            raise InvalidInput("pictures of different sizes cannot be one array; give them as JPEG or PNG bytes")
        return np.stack([_pixels(picture) for picture in pictures])
    return _bytes_array("image", [_picture_bytes(picture) for picture in pictures])


def column_array(name: str, value: Any) -> NDArray[Any]:
    """Return a table's column as FP64 [N] (numbers; None is NaN) or BYTES [N] (text; None is empty)."""
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
        return value.astype(np.float64)
    cells = [value] if _is_cell(value) else list(value)
    given = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, str | bytes) for cell in given) and given:
        return _bytes_array(name, cells)
    if all(isinstance(cell, bool | int | float | np.number | np.bool_) for cell in given):
        return np.array([np.nan if cell is None else float(cell) for cell in cells])
    kinds = sorted({type(cell).__name__ for cell in given})
    raise InvalidInput(f"column {name!r} holds {', '.join(kinds)}; a column is all numbers or all text")


def _is_cell(value: Any) -> bool:
    return isinstance(value, str | bytes | Mapping) or not hasattr(value, "__iter__") or getattr(value, "ndim", 1) == 0


def _pixels(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.uint8 or not 2 <= array.ndim <= 4:
        raise InvalidInput(
            f"image is {array.dtype} of {array.ndim} axes; pixels are uint8, [H,W], [H,W,C], [N,H,W] or [N,H,W,C]"
        )
    return array


def _picture_bytes(picture: Any) -> bytes | None:
    if picture is None or isinstance(picture, bytes):
        return picture
    if not isinstance(picture, str | PathLike):
        raise InvalidInput(f"image is {type(picture).__name__}; give a path, the file's bytes, or a uint8 array")
    try:
        return Path(picture).read_bytes()
    except OSError as error:
        raise InvalidInput(f"image {str(picture)!r} cannot be read: {error.strerror}") from error


def _bytes_array(name: str, values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        if value is not None and not isinstance(value, str | bytes):
            raise InvalidInput(f"{name} of row {row} is {type(value).__name__}; give text, or None where it is missing")
        try:
            array[row] = value.encode() if isinstance(value, str) else value or b""
        except UnicodeEncodeError as error:
            raise InvalidInput(f"{name} of row {row} is {not_utf8(error)}") from error
    return array


def _check_rows(arrays: Mapping[str, NDArray[Any]]) -> None:
    rows = {name: len(array) for name, array in arrays.items()}
    if not rows:
        raise InvalidInput("nothing to ask about: give text, an image or a column")
    if len(set(rows.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in rows.items())
        raise InvalidInput(f"the inputs disagree on the number of rows: {listed}")
