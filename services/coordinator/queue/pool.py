"""The coordinator pool: a Celery worker of threads whose tasks only wake the one event loop behind them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

import structlog
from celery import Celery, signals
from celery.platforms import SecurityWarning

from quorate.settings import Settings
from services.coordinator.queue.bells import Bells
from services.coordinator.queue.celery_app import COORDINATOR_QUEUE, JOBS_TASK, REQUESTS_TASK, build_app
from services.coordinator.queue.consumer import consume

log = structlog.get_logger(__name__)

DOORBELL_THREADS = 2


def run_pool(settings: Settings) -> None:
    """Consume doorbells until SIGTERM or SIGINT, then finish within the drain time. Returns when all is let go."""
    app = build_app(settings.broker_url)
    loop = LoopThread(settings)
    register_tasks(app, loop)
    # Nothing is forked under `--pool threads`; the loop and its channels still wait until the worker is set up.
    signals.worker_init.connect(lambda **_: loop.start(), weak=False)
    signals.worker_shutdown.connect(lambda **_: loop.stop(), weak=False)
    # A receiver, though it does nothing, keeps Celery from setting up logging of its own.
    signals.setup_logging.connect(lambda **_: None, weak=False)
    if settings.log_level == "info":  # two lines a doorbell say nothing that SQL does not
        logging.getLogger("celery").setLevel(logging.WARNING)
    # Celery warns a root user because of pickle; nothing but JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app.worker_main(_arguments(settings))


def register_tasks(app: Celery, loop: LoopThread) -> None:
    """Give the app its two doorbells."""

    def requests() -> None:
        loop.ring(lambda bells: bells.requests())

    def jobs() -> None:
        loop.ring(lambda bells: bells.jobs())

    app.task(name=REQUESTS_TASK)(requests)
    app.task(name=JOBS_TASK)(jobs)


class LoopThread:
    """One event loop in a thread of its own, consuming what there is. `ring` from any thread; the rest from one."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._thread = threading.Thread(target=self._main, name="engine-loop", daemon=True)
        self._ready: Future[Bells] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._consuming: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the loop; returns once it can be rung, or raises what kept it from starting."""
        self._thread.start()
        self._ready.result()

    def ring(self, bell: Callable[[Bells], None]) -> None:
        """Have the loop wake what the bell names, soon; nothing once it has stopped."""
        self._call(lambda: bell(self._ready.result()))

    def stop(self) -> None:
        """End what runs, and wait for it as long as draining may take."""
        self._call(lambda: self._consuming and self._consuming.cancel())
        self._thread.join(self._settings.drain_seconds)

    def _call(self, callback: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop has closed
            if self._loop is not None:
                self._loop.call_soon_threadsafe(callback)

    def _main(self) -> None:
        try:
            import uvloop

            factory: Callable[[], asyncio.AbstractEventLoop] | None = uvloop.new_event_loop
        except ImportError:
            factory = None
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._consuming = asyncio.ensure_future(consume(self._settings, self._ready.set_result))
        await asyncio.wait([self._consuming])
        error = None if self._consuming.cancelled() else self._consuming.exception()
        if error is not None and not self._ready.done():
            self._ready.set_exception(error)
        elif error is not None:
            log.error("the pool's loop ended; the process ends too", exc_info=error)
            # A pool whose loop is gone would take doorbells and do nothing.
            os.kill(os.getpid(), signal.SIGTERM)


def _arguments(settings: Settings) -> list[str]:
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        f"--concurrency={DOORBELL_THREADS}",
        f"--queues={COORDINATOR_QUEUE}",
        f"--loglevel={settings.log_level}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
