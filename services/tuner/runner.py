"""Claims fits and runs each in a process of its own, watched for memory and for the claim being lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from quorate.db import FitStore, StoredFit
from quorate.errors import QuorateError
from quorate.settings import Settings
from services.tuner.child import Child, fit_command

log = structlog.get_logger(__name__)

PERIOD_SECONDS = 2.0
"""How often a runner looks for work that no doorbell told of."""
WATCH_SECONDS = 0.5
MAX_ATTEMPTS = 4
MEBIBYTE = 2**20

CommandOf = Callable[[str, Settings], Sequence[str]]
"""The command that does the fit of an id."""


class Runners:
    """Threads that claim and run fits. `wake` may be called from any thread; start and stop from one."""

    def __init__(self, fits: FitStore, settings: Settings, command_of: CommandOf = fit_command) -> None:
        self._fits, self._settings, self._command_of = fits, settings, command_of
        self._wake, self._stop = threading.Event(), threading.Event()
        self._threads = [threading.Thread(target=self._main, name=f"runner-{i}") for i in range(settings.max_fits)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for work now."""
        self._wake.set()

    def stop(self) -> None:
        """End the running fits, which go back to the queue, and wait for that."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def _main(self) -> None:
        while not self._stop.is_set():
            try:
                while not self._stop.is_set() and (fit := self._fits.claim(self._settings.lease_seconds)):
                    self._run(fit)
            except Exception as error:  # whatever it was, there will be other fits, and another try at this one
                log.warning("fits cannot be run", error=str(error))
            self._wake.wait(PERIOD_SECONDS)
            if not self._stop.is_set():
                self._wake.clear()

    def _run(self, fit: StoredFit) -> None:
        if fit.attempts > MAX_ATTEMPTS:
            error = f"given up: {fit.attempts - 1} attempts ended with the tuner pool itself; see its log"
            self._fits.fail(fit.id, fit.token, error)
            return
        log.info("fit claimed", fit=fit.id, kind=fit.kind, name=fit.name, attempt=fit.attempts)
        child = Child(self._command_of(fit.id, self._settings))
        try:
            self._watch(fit, child)
        finally:
            child.close()

    def _watch(self, fit: StoredFit, child: Child) -> None:
        """Follow the child to its end, or end it: over its memory, its claim lost, the pool stopping."""
        beat = 0.0
        while child.running:
            if self._stop.is_set():
                self._fits.release(fit.id, fit.token)
                log.info("fit put back: the pool stops", fit=fit.id)
                return
            if (resident := child.resident_bytes) > self._settings.max_fit_bytes:
                self._fail(fit, self._too_large(resident, child.said.step))
                return
            if time.monotonic() - beat >= min(1.0, self._settings.lease_seconds / 3):
                beat = time.monotonic()
                if not self._beat(fit, child):
                    log.warning("fit lost: another pool has claimed it", fit=fit.id)
                    return
            child.wait(WATCH_SECONDS)
        child.wait(WATCH_SECONDS)
        self._end(fit, child)

    def _beat(self, fit: StoredFit, child: Child) -> bool:
        said = child.said
        try:
            return self._fits.heartbeat(fit.id, fit.token, said.step, said.progress, self._settings.lease_seconds)
        except QuorateError as error:
            log.warning("no heartbeat", fit=fit.id, error=str(error))
            return True  # the lease outlasts a short outage of SQL; a lost claim shows at the next beat

    def _end(self, fit: StoredFit, child: Child) -> None:
        if child.said.result is None:
            self._fail(fit, child.why_it_ended())
        elif self._fits.finish(fit.id, fit.token, child.said.result):
            log.info("fit done", fit=fit.id, name=fit.name)

    def _fail(self, fit: StoredFit, error: str) -> None:
        log.warning("fit failed", fit=fit.id, error=error)
        self._fits.fail(fit.id, fit.token, error)

    def _too_large(self, resident: int, step: str) -> str:
        limit = self._settings.max_fit_bytes
        return (
            f"the fit took {resident // MEBIBYTE} MiB of memory while {step}; {limit // MEBIBYTE} MiB are allowed "
            "(QUORATE_MAX_FIT_BYTES): give fewer rows, a smaller image_side, or more memory"
        )
