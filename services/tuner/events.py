"""What a fit says of itself on standard output: one JSON object a line, read by whoever started it.

`{"step", "progress"}` while it runs; at the end `{"result"}`, or `{"error"}` and an exit status other than 0.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from services.tuner.progress import Progress

EVERY_SECONDS = 0.2


def printed(output: TextIO) -> Progress:
    """Progress as lines of JSON: each new step at once, a step's fraction a few times a second."""
    last_step, last_time = "", 0.0

    def progress(step: str, fraction: float) -> None:
        nonlocal last_step, last_time
        now = time.monotonic()
        if step != last_step or now - last_time >= EVERY_SECONDS:
            last_step, last_time = step, now
            print_event(output, {"step": step, "progress": round(fraction, 4)})

    return progress


def print_event(output: TextIO, event: Mapping[str, Any]) -> None:
    """Write one line, at once."""
    print(json.dumps(event), file=output, flush=True)


def read_event(line: str) -> dict[str, Any]:
    """The event on a line; nothing where the line is something that a library printed."""
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return {}
    return event if isinstance(event, dict) else {}


def events_only() -> TextIO:
    """Keep standard output for events: whatever libraries print goes to standard error from now on."""
    output, sys.stdout = sys.stdout, sys.stderr
    return output
