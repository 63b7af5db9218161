"""Encoded pictures to pixels, without trusting them: JPEG and PNG alone, size checked before anything is decoded."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from quorate.views.base import Limits

Pixels = NDArray[np.uint8]
MODES = {1: "L", 3: "RGB"}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error, zlib.error)
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


def decoded(data: bytes, size: tuple[int, int], channels: int, limits: Limits) -> Pixels:
    """Decode one picture to uint8 [height, width, channels] of the given size; ValueError says why it cannot be."""
    return _scaled(opened(data, limits, size), size, channels)


def opened(data: bytes, limits: Limits, size: tuple[int, int] | None = None) -> Image.Image:
    """Decode one picture at its own size (a large JPEG at a smaller one that still covers `size`)."""
    if not isinstance(data, bytes):
        raise ValueError(f"{type(data).__name__} where the bytes of a JPEG or PNG are expected")
    if not data:
        raise ValueError("empty: no picture")
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
        _check_size(image.width, image.height, limits)
        if size is not None and image.format == "JPEG":
            image.draft(None, (size[1], size[0]))
        image.load()
    except _BOMB as error:  # Pillow's own limit comes before it tells the size
        raise _TooLarge(
            f"far more than the {limits.max_image_pixels} pixels that are decoded; scale it down"
        ) from error
    except _TooLarge:
        raise
    except UnidentifiedImageError as error:
        if data.startswith(_STARTS):
            raise ValueError("broken or truncated picture: its header cannot be read") from error
        raise ValueError(f"no JPEG or PNG: it starts with {data[:8]!r}") from error
    except _BROKEN as error:
        raise ValueError(f"broken or truncated picture: {error}") from error
    return ImageOps.exif_transpose(image) if "exif" in image.info else image


def resized(pixels: Pixels, size: tuple[int, int], channels: int) -> Pixels:
    """Bring raw pixels [height, width, 1 or 3] to the given size, as an encoded picture would be."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))
    return _scaled(image, size, channels)


def converted(pixels: Pixels, channels: int) -> Pixels:
    """Turn grey into RGB or RGB into grey on the last axis, by the same integer sums as Pillow's (ITU-R 601-2)."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], dtype=np.uint32)
    grey: Pixels = ((weighted + 0x8000) >> 16).astype(np.uint8)[..., None]
    return grey


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_image_pixels:
        raise _TooLarge(f"{width}x{height} pixels; at most {limits.max_image_pixels} are decoded, so scale it down")


class _TooLarge(ValueError):
    """The picture states more pixels than the limit."""


def _scaled(image: Image.Image, size: tuple[int, int], channels: int) -> Pixels:
    image = _opaque(image).convert(MODES[channels])
    if image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels: Pixels = np.asarray(image)
    return pixels[..., None] if channels == 1 else pixels


def _opaque(image: Image.Image) -> Image.Image:
    """Bring 16-bit grey to 8 bits, and lay what is transparent on white: the colour beneath it is arbitrary."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if not image.has_transparency_data:
        return image
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image)
