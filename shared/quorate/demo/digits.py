"""Three views of scikit-learn's 1,797 handwritten digits: the scan, its geometry, and a transcript of its strokes."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Scans = NDArray[np.float64]
"""Grey levels [N, 8, 8] from 0 (paper) to 16 (ink)."""

INK = 5.0
"""From this grey level on a pixel belongs to a stroke."""
DARK = 11.0
FULL = 16.0


def load_scans() -> tuple[Scans, NDArray[np.int64]]:
    """Return the real scans [1797, 8, 8] and the digit each one shows [1797]."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.float64), digits.target.astype(np.int64)


def digits_table(scans: Scans, digits: NDArray[np.int64] | None = None) -> pa.Table:
    """Lay the three views of every scan side by side: `scan` (PNG), `transcript`, and a column a geometric feature."""
    columns: dict[str, Any] = {
        "scan": [png(scan) for scan in scans],
        "transcript": [transcript(scan) for scan in scans],
    }
    columns |= geometry(scans)
    if digits is not None:
        columns["digit"] = [str(digit) for digit in digits]
    return pa.table(columns)


def png(scan: NDArray[np.float64]) -> bytes:
    """Encode one scan [8, 8] as a grey PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray((scan / FULL * 255).round().astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def scans_of(table: pa.Table) -> Scans:
    """Read the scans [N, 8, 8] back out of a table's pictures."""
    from PIL import Image

    pictures = [np.asarray(Image.open(io.BytesIO(data))) for data in table["scan"].to_pylist()]
    return np.stack(pictures).astype(np.float64) * (FULL / 255)


def transcript(scan: NDArray[np.float64]) -> str:
    """Describe one scan's strokes row by row: "row 1: dark 3-5. row 2: light 2, dark 5-6." and so on."""
    return " ".join(f"row {number}: {_strokes(row)}." for number, row in enumerate(scan, start=1))


def _strokes(row: NDArray[np.float64]) -> str:
    inked = np.flatnonzero(row >= INK)
    if not inked.size:
        return "blank"
    runs = np.split(inked, np.flatnonzero(np.diff(inked) > 1) + 1)
    return ", ".join(f"{'dark' if row[run].mean() >= DARK else 'light'} {_span(run)}" for run in runs)


def _span(run: NDArray[np.int64]) -> str:
    first, last = run[0] + 1, run[-1] + 1
    return str(first) if first == last else f"{first}-{last}"


def geometry(scans: Scans) -> dict[str, NDArray[np.float64]]:
    """Measure every scan: projections, quadrant ink, moments, stroke crossings, symmetry and holes, [N] each."""
    ink = scans.sum(axis=(1, 2))
    features = {f"row_{i + 1}_ink": scans[:, i].sum(axis=1) for i in range(8)}
    features |= {f"column_{i + 1}_ink": scans[:, :, i].sum(axis=1) for i in range(8)}
    features |= {
        "ink": ink,
        "top_left_ink": scans[:, :4, :4].sum(axis=(1, 2)),
        "top_right_ink": scans[:, :4, 4:].sum(axis=(1, 2)),
        "bottom_left_ink": scans[:, 4:, :4].sum(axis=(1, 2)),
        "bottom_right_ink": scans[:, 4:, 4:].sum(axis=(1, 2)),
        "holes": _holes(scans),
        "mirror_difference": np.abs(scans - scans[:, :, ::-1]).sum(axis=(1, 2)),
        "upturn_difference": np.abs(scans - scans[:, ::-1]).sum(axis=(1, 2)),
    }
    return features | _moments(scans, ink) | _crossings(scans)


def _moments(scans: Scans, ink: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    weights = scans / np.maximum(ink, 1)[:, None, None]
    y, x = np.mgrid[0:8, 0:8].astype(np.float64)
    centre_x, centre_y = (weights * x).sum(axis=(1, 2)), (weights * y).sum(axis=(1, 2))
    off_x, off_y = x - centre_x[:, None, None], y - centre_y[:, None, None]
    return {
        "centre_x": centre_x,
        "centre_y": centre_y,
        "spread_x": (weights * off_x**2).sum(axis=(1, 2)),
        "spread_y": (weights * off_y**2).sum(axis=(1, 2)),
        "slant": (weights * off_x * off_y).sum(axis=(1, 2)),
        "skew_x": (weights * off_x**3).sum(axis=(1, 2)),
        "skew_y": (weights * off_y**3).sum(axis=(1, 2)),
    }


def _crossings(scans: Scans) -> dict[str, NDArray[np.float64]]:
    """How often each row and each column enters a stroke."""
    framed = np.pad(scans >= INK, ((0, 0), (1, 1), (1, 1))).astype(np.int8)
    across = (np.diff(framed, axis=2) > 0).sum(axis=2)[:, 1:-1]
    down = (np.diff(framed, axis=1) > 0).sum(axis=1)[:, 1:-1]
    features = {f"row_{i + 1}_strokes": across[:, i].astype(np.float64) for i in range(8)}
    return features | {f"column_{i + 1}_strokes": down[:, i].astype(np.float64) for i in range(8)}


def _holes(scans: Scans) -> NDArray[np.float64]:
    """Count the patches of paper that ink encloses."""
    from scipy.ndimage import label

    paper = np.pad(scans < INK, ((0, 0), (1, 1), (1, 1)), constant_values=True)
    alone = np.zeros((3, 3, 3), dtype=bool)  # patches connect within a scan, never across scans
    alone[1] = [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    patches, _ = label(paper, structure=alone)
    return np.array([np.unique(patch[patch > 0]).size - 1 for patch in patches], dtype=np.float64)


def disturbed(scans: Scans, rows: int, seed: int) -> tuple[Scans, NDArray[np.int64]]:
    """Draw `rows` scans with small shifts and noise; returns them with the index of the scan each came from."""
    random = np.random.default_rng(seed)
    origin = random.integers(len(scans), size=rows)
    drawn = scans[origin]
    shifts = random.choice([-1, 0, 0, 0, 0, 1], size=(rows, 2))
    shifted = np.stack([_shift(scan, down, right) for scan, (down, right) in zip(drawn, shifts, strict=True)])
    return np.clip(shifted + random.normal(scale=0.7, size=shifted.shape), 0, FULL), origin


def _shift(scan: NDArray[np.float64], down: int, right: int) -> NDArray[np.float64]:
    """Move a scan by up to one pixel; paper comes in from the side."""
    framed = np.pad(scan, 1)
    return framed[1 - down : 9 - down, 1 - right : 9 - right]
