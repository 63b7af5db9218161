"""What a person reads (tables, on a terminal's width) and what a program reads (JSON, on standard output)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def console(to_stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=to_stderr, highlight=False)


def print_json(value: Any) -> None:
    """Print dataclasses, lists and mappings as JSON; what JSON has no number for (NaN) is null."""
    print(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Print rows; numbers are aligned to the right, and the first column, which names the row, stays in one piece."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    listed = [list(row) for row in rows]
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        numeric = bool(listed) and all(isinstance(row[index], int | float) for row in listed)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold", no_wrap=index == 0)
    for row in listed:
        table.add_row(*(escape(_cell(value)) for value in row))
    console().print(table)


def say(line: str) -> None:
    """Print a line of news on standard error, where it is in no program's way."""
    console(to_stderr=True).print(line, markup=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, tuple | list):
        return ", ".join(str(each) for each in value)
    return "" if value is None else str(value)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
