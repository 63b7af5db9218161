"""The view `image`: JPEG, PNG or raw uint8 pixels become `pixels` float32 [N, C, H, W], scaled and normalised.

The same picture gives the same pixels, whether it comes as PNG or as raw uint8.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from quorate.ensemble import Columns, InputBinding
from quorate.errors import InvalidInput, InvalidRows
from quorate.views._cells import Strict, column_of, one_dimensional, parsed
from quorate.views._pictures import MODES, Pixels, converted, decoded, opened, resized
from quorate.views.base import Limits, Preprocessor, View

NAME = "image"
Side = Annotated[int, Field(ge=1, le=4096)]
Positive = Annotated[float, Field(gt=0)]
SAMPLED = 512
"""Pictures that are looked at to choose a size and a number of channels."""


class Parameters(Strict):
    """The model's picture: size as (height, width), channels, and (pixel / scale - mean) / std by channel."""

    size: tuple[Side, Side]
    channels: Literal[1, 3] = 3
    mean: tuple[float, ...] = ()
    std: tuple[Positive, ...] = ()
    scale: Positive = 255.0
    layout: Literal["nchw", "nhwc"] = "nchw"

    @model_validator(mode="after")
    def _one_a_channel(self) -> Parameters:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (0, self.channels):
                raise ValueError(
                    f"{name} has {len(values)} numbers for {self.channels} channels; give one a channel, or none"
                )
        return self


class Options(Strict):
    """How to fit: see docs/views.md."""

    size: tuple[Side, Side] | None = None
    """Height and width; not given: the training pictures' median, each side at most `max_side`."""
    max_side: Side = 64
    channels: Literal[1, 3] | None = None
    """Not given: 1 where every picture is grey."""


class ImagePreprocessor:
    """Decodes, resizes and normalises, for any number of rows."""

    view = NAME
    inputs: tuple[InputBinding, ...] = (InputBinding(NAME, "BYTES", (NAME,)),)

    def __init__(self, parameters: Parameters, limits: Limits) -> None:
        self._parameters = parameters
        self._limits = limits
        std = np.array(parameters.std or [1.0] * parameters.channels)
        mean = np.array(parameters.mean or [0.0] * parameters.channels)
        self._factor = (1.0 / (parameters.scale * std)).astype(np.float32)
        self._shift = (-mean / std).astype(np.float32)

    def transform(self, columns: Columns) -> dict[str, NDArray[Any]]:
        """Return `pixels` float32 [N, C, H, W] ([N, H, W, C] for `nhwc`); see `Preprocessor.transform`."""
        pixels = pixels_of(column_of(columns, NAME), self._parameters.size, self._parameters.channels, self._limits)
        normal = pixels * self._factor + self._shift
        if self._parameters.layout == "nchw":
            normal = np.ascontiguousarray(normal.transpose(0, 3, 1, 2))
        return {"pixels": normal}

    def parameters(self) -> Mapping[str, Any]:
        """Size, channels and normalisation, as JSON."""
        return self._parameters.model_dump(mode="json")

    def assets(self) -> Mapping[str, bytes]:
        """None: the parameters say everything."""
        return {}


def pixels_of(column: NDArray[Any], size: tuple[int, int], channels: int, limits: Limits) -> Pixels:
    """Read a whole column to uint8 [N, H, W, C]; InvalidRows names every picture that cannot be read, and why."""
    if column.dtype == np.uint8:
        return _raw_pixels(column, size, channels, limits)
    if column.dtype.kind not in "OS":
        raise InvalidInput(f"the column {NAME!r} holds {column.dtype}; send JPEG or PNG as BYTES, or pixels as UINT8")
    pixels = np.empty((len(one_dimensional(NAME, column)), *size, channels), dtype=np.uint8)
    reasons: dict[int, str] = {}
    for row, data in enumerate(column.tolist()):
        try:
            pixels[row] = decoded(data, size, channels, limits)
        except ValueError as error:
            reasons[row] = f"column {NAME!r}: {error}"
    if reasons:
        raise InvalidRows(reasons)
    return pixels


def fit(columns: Columns, options: Mapping[str, Any]) -> Preprocessor:
    """Choose size and channels from the training pictures, and measure each channel's mean and deviation."""
    chosen = parsed(Options, options, "options of the view 'image'")
    column, limits = column_of(columns, NAME), Limits()
    if not len(column):
        raise InvalidInput("the view 'image' has no rows to learn from")
    sizes, grey = _looked_at(column[:: max(1, len(column) // SAMPLED)], limits)
    size = chosen.size or _median_size(sizes, chosen.max_side)
    channels = chosen.channels or (1 if grey else 3)
    pixels = pixels_of(column, size, channels, limits)
    mean, std = zip(*(_spread(pixels[..., channel]) for channel in range(channels)), strict=True)
    return ImagePreprocessor(Parameters(size=size, channels=channels, mean=mean, std=std), limits)


def load(parameters: Mapping[str, Any], assets: Mapping[str, bytes], limits: Limits) -> Preprocessor:  # noqa: ARG001
    """Rebuild the preprocessor from parameters alone."""
    return ImagePreprocessor(parsed(Parameters, parameters, "parameters of the view 'image'"), limits)


def _raw_pixels(column: Pixels, size: tuple[int, int], channels: int, limits: Limits) -> Pixels:
    pixels = column[..., None] if column.ndim == 3 else column
    if pixels.ndim != 4 or pixels.shape[-1] not in MODES or 0 in pixels.shape[1:]:
        raise InvalidInput(f"the column {NAME!r} has shape {list(column.shape)}; send UINT8 [N,H,W] or [N,H,W,1 or 3]")
    height, width = pixels.shape[1:3]
    if height * width > limits.max_image_pixels:
        raise InvalidInput(
            f"the column {NAME!r} has {height}x{width} pixels; at most {limits.max_image_pixels} are read"
        )
    if (height, width) == size:
        return converted(pixels, channels)
    target = np.empty((len(pixels), *size, channels), dtype=np.uint8)
    for row, picture in enumerate(pixels):
        target[row] = resized(picture, size, channels)
    return target


def _looked_at(column: NDArray[Any], limits: Limits) -> tuple[list[tuple[int, int]], bool]:
    """Height and width of each picture, and whether all are grey; unreadable ones are named when all are read."""
    if column.dtype == np.uint8:
        return [(column.shape[1], column.shape[2])] if column.ndim > 2 else [], column.ndim == 3 or column.shape[
            -1
        ] == 1
    sizes, grey = [], True
    for data in column.tolist():
        try:
            image = opened(data, limits)
        except ValueError:
            continue
        sizes.append((image.height, image.width))
        grey = grey and image.mode in ("1", "L", "LA", "I", "I;16")
    return sizes, grey


def _spread(channel: Pixels) -> tuple[float, float]:
    """Mean and deviation of the values from 0 to 1, from their counts; a constant channel has deviation 1."""
    counts = np.bincount(channel.ravel(), minlength=256) / channel.size
    levels = np.arange(256) / 255
    mean = float(counts @ levels)
    std = float(np.sqrt(counts @ (levels - mean) ** 2))
    return mean, std if std > 1e-6 else 1.0


def _median_size(sizes: list[tuple[int, int]], most: int) -> tuple[int, int]:
    if not sizes:
        return (most, most)
    height, width = np.median(np.array(sizes), axis=0)
    shrink = min(1.0, most / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))


VIEW = View(NAME, fit, load, lambda _: ImagePreprocessor.inputs)
