"""Files that do harm to who trusts them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def png(side: int = 8) -> bytes:
    """A sound picture, black."""
    written = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(written, "PNG")
    return written.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that states a huge picture."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 99)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
