"""A small synthetic table with three views that each tell something about three classes."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
from PIL import Image

WORDS = (("bark", "bone", "tail"), ("purr", "milk", "claw"), ("wing", "seed", "song"))
FILLER = ("the", "and", "of", "home", "day")
SPECIES = ("dog", "cat", "bird")


def pets_table(rows: int = 300, seed: int = 0) -> pa.Table:
    """`species` (the label), `notes` (text), `photo` (PNG), `weight`, `age` (a tenth missing) and `colour`."""
    random = np.random.default_rng(seed)
    kinds = random.permutation(np.arange(rows) % 3)
    return pa.table(
        {
            "species": [SPECIES[kind] for kind in kinds],
            "notes": [_note(kind, random) for kind in kinds],
            "photo": [_photo(kind, random) for kind in kinds],
            "weight": random.normal(kinds, 0.6),
            "age": [None if random.random() < 0.1 else float(age) for age in random.normal(-kinds, 0.8)],
            "colour": [("red", "green", "blue")[(kind + int(random.random() < 0.3)) % 3] for kind in kinds],
        }
    )


def _note(kind: int, random: np.random.Generator) -> str:
    told = WORDS[kind if random.random() < 0.9 else random.integers(3)]
    return " ".join(random.permutation([*random.choice(told, 2), *random.choice(FILLER, 4)]))


def _photo(kind: int, random: np.random.Generator) -> bytes:
    pixels = random.integers(0, 160, (12, 12)).astype(np.uint8)
    pixels[kind * 4 : kind * 4 + 4] += 14
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
