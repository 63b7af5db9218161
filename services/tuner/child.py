"""A fit in a process of its own: started, watched, and ended with all that it started."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from quorate.settings import Settings
from services.tuner.events import read_event

ERROR_CHARACTERS = 2000


@dataclass
class Said:
    """The last that the child said."""

    step: str = "starting"
    progress: float = 0.0
    result: dict[str, Any] | None = None
    error: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, event: dict[str, Any]) -> None:
        with self.lock:
            self.step = event.get("step", self.step)
            self.progress = float(event.get("progress", self.progress))
            self.result = event.get("result", self.result)
            self.error = event.get("error", self.error)


def fit_command(fit_id: str, settings: Settings) -> list[str]:
    """The command that does one claimed fit and says how far it is."""
    command = [sys.executable, "-m", "services.tuner", "run-fit", fit_id]
    return [*command, "--store", settings.resolved_store_url, "--database-url", settings.resolved_database_url]


class Child:
    """A command that prints events, such as `fit_command`. It is to end by itself when its standard input closes."""

    def __init__(self, command: Sequence[str]) -> None:
        self.said = Said()
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, errors="replace"
        )
        self._reader = threading.Thread(target=self._read, name="fit-events", daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def resident_bytes(self) -> int:
        """Resident memory of the process and of all that it started."""
        try:
            process = psutil.Process(self._process.pid)
            return sum(_resident(one) for one in (process, *process.children(recursive=True)))
        except psutil.Error:
            return 0

    def wait(self, seconds: float) -> None:
        """Return when the child has ended, or after so many seconds."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        self._reader.join()

    def why_it_ended(self) -> str:
        """What a child that has ended without a result says, or how it died."""
        if self.said.error:
            return self.said.error
        status = self._process.returncode
        how = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        if status == -9:
            how += "; the machine may be out of memory"
        return f"the fit's process died ({how}) while {self.said.step}. Its last words: {self.last_words() or 'none'}"

    def last_words(self) -> str:
        """The end of what the child wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read()[-ERROR_CHARACTERS:].strip()

    def close(self) -> None:
        """Kill the child and all that it started, if they still run, and let go of its pipes."""
        try:
            process = psutil.Process(self._process.pid)
            for one in (*process.children(recursive=True), process):
                one.kill()
        except psutil.Error:
            pass
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout, self._errors):
            assert pipe is not None
            pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.take(read_event(line))


def _resident(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.Error:
        return 0
    return resident
