"""The ends of log files."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path

POLL_SECONDS = 0.2


def last_lines(path: Path, count: int) -> list[str]:
    """Return a file's last lines; none of a file that does not exist."""
    try:
        with path.open(errors="replace") as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []


def new_lines(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each line that is added to a file from now on, for ever; a file that was replaced is read anew."""
    offsets = {path: path.stat().st_size for path in paths}
    while True:
        for path in paths:
            for line in lines_since(path, offsets):
                yield path, line
        time.sleep(POLL_SECONDS)


def lines_since(path: Path, offsets: dict[Path, int]) -> Iterator[str]:
    """Yield the whole lines past the file's offset, and move the offset behind them."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return
    if size < offsets[path]:
        offsets[path] = 0
    with path.open("rb") as file:
        file.seek(offsets[path])
        *whole, _rest = file.read().split(b"\n")
    offsets[path] += sum(len(line) + 1 for line in whole)
    for line in whole:
        yield line.decode(errors="replace")
