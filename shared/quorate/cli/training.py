"""Training without a platform: the tuner as a subprocess, which says how far it is in lines of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

from quorate.cli.extras import missing_modules
from quorate.errors import QuorateError, Unavailable
from quorate.fitting.options import parse_fit_options
from quorate.settings import Settings


def fit_here(
    table: str, name: str, options: Mapping[str, Any], settings: Settings, progress: Callable[[str, float], None]
) -> dict[str, Any]:
    """Train on this machine, into the home's own store and database; return the fit's result.

    Raises QuorateError with the tuner's own last words where it fails, InvalidInput for an option that it does not
    know, and Unavailable without its packages.
    """
    if missing := [module for extra in ("worker", "fit", "tuner") for module in missing_modules(extra)]:
        raise Unavailable(f"training needs {', '.join(missing)}; pip install 'quorate[tuner]', or leave out --local")
    parse_fit_options("table", options)
    command = [sys.executable, "-m", "services.tuner", "fit", table, "--out", name, "--events", *flags(options)]
    environment = {**os.environ, "QUORATE_HOME": str(settings.home)}
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,  # noqa: S603
    ):
        try:
            assert process.stdout is not None
            result, error = _follow(_events(process.stdout), progress)
        finally:
            status = _end(process)
        if result is None or status:
            raise QuorateError(error or f"training ended with status {status}: {_last_words(errors)}")
    return result


def flags(options: Mapping[str, Any]) -> list[str]:
    """Write options as the tuner's command line: lists joined by commas."""
    written = []
    for name, value in options.items():
        text = ",".join(value) if isinstance(value, Sequence) and not isinstance(value, str) else str(value)
        written += [f"--{name.replace('_', '-')}", text]
    return written


def _follow(
    events: Iterator[dict[str, Any]], progress: Callable[[str, float], None]
) -> tuple[dict[str, Any] | None, str]:
    """Show each step; return the result, or None and what the tuner says went wrong."""
    ending: dict[str, Any] = {}
    for event in events:
        if "step" in event:
            progress(event["step"], float(event.get("progress", 0)))
        else:
            ending = event
    return ending.get("result"), ending.get("error", "")


def _events(lines: IO[str]) -> Iterator[dict[str, Any]]:
    """Yield the lines that are events; a library that prints to standard output harms nothing."""
    for line in lines:
        if line.startswith("{"):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue


def _end(process: subprocess.Popen[str]) -> int:
    """Wait for the tuner; one that goes on after its output has ended, or after Ctrl-C, is stopped."""
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.wait()


def _last_words(errors: IO[str]) -> str:
    errors.seek(0)
    lines = [line.strip() for line in errors if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "it ended without a word"
