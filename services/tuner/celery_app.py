"""The tuner pool: a Celery worker of threads whose one task only wakes the runners. JSON only, no results."""

from __future__ import annotations

import warnings

from celery import Celery, signals
from celery.platforms import SecurityWarning
from kombu.entity import Queue

from quorate.db import FitStore, migrate, open_database
from quorate.settings import Settings
from services.tuner.runner import Runners

TUNER_QUEUE = "tuner"
FITS_TASK = "quorate.fits"


def run_pool(settings: Settings) -> None:
    """Run fits until SIGTERM or SIGINT; those that still run then go back to the queue."""
    database = open_database(settings.resolved_database_url)
    migrate(database)
    runners = Runners(FitStore(database), settings)
    app = build_app(settings.broker_url)
    app.task(name=FITS_TASK)(runners.wake)
    signals.worker_init.connect(lambda **_: runners.start(), weak=False)
    signals.worker_shutdown.connect(lambda **_: runners.stop(), weak=False)
    # Celery warns a root user because of pickle; nothing but JSON is accepted here.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    try:
        app.worker_main(_arguments(settings))
    finally:
        runners.stop()
        database.close()


def build_app(broker_url: str) -> Celery:
    """The app that consumes the tuner's doorbells; SQL holds the work, so the broker keeps nothing for redelivery."""
    app = Celery("quorate.tuner", broker=broker_url, set_as_current=False, fixups=[])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_default_queue=TUNER_QUEUE,
        task_queues=[Queue(TUNER_QUEUE)],  # type: ignore[no-untyped-call]
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
    )
    return app


def _arguments(settings: Settings) -> list[str]:
    return [
        "--quiet",
        "worker",
        "--pool=threads",
        "--concurrency=1",
        f"--queues={TUNER_QUEUE}",
        f"--loglevel={settings.log_level}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
    ]
