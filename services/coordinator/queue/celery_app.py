"""The coordinator's Celery app: what carries doorbells, and nothing else. No results, no retries, JSON only."""

from __future__ import annotations

from celery import Celery
from kombu.entity import Queue

COORDINATOR_QUEUE = "coordinator"
TUNER_QUEUE = "tuner"
REQUESTS_TASK = "quorate.requests"
JOBS_TASK = "quorate.jobs"
FITS_TASK = "quorate.fits"

# A doorbell that was not taken within this time has been overtaken by the reconciler.
DOORBELL_EXPIRES_SECONDS = 60
RING_TIMEOUT_SECONDS = 2.0


def build_app(broker_url: str, *, transport_options: dict[str, object] | None = None) -> Celery:
    """An app that sends to, or consumes from, the doorbell queues; it connects on first use."""
    app = Celery("quorate", broker=broker_url, set_as_current=False, fixups=[])
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        # A lost or repeated doorbell is harmless, so the broker keeps nothing for redelivery.
        task_acks_late=False,
        task_publish_retry=False,
        task_default_queue=COORDINATOR_QUEUE,
        task_queues=[_queue(COORDINATOR_QUEUE), _queue(TUNER_QUEUE)],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options=transport_options or {},
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_remote_control=False,
    )
    return app


def build_ringing_app(broker_url: str) -> Celery:
    """An app for sending only: a broker that does not answer costs a ring a bounded time, and nothing more."""
    limits: dict[str, object] = {
        "socket_timeout": RING_TIMEOUT_SECONDS,
        "socket_connect_timeout": RING_TIMEOUT_SECONDS,
        "retry_on_timeout": False,
        "max_retries": 0,
    }
    return build_app(broker_url, transport_options=limits)


def _queue(name: str) -> Queue:
    # A direct queue, which Celery sends to by its name alone: a broker that was wiped loses no bindings. Without
    # acknowledgement the broker forgets a doorbell as it hands it out, which saves two round trips each.
    return Queue(name, no_ack=True)  # type: ignore[no-untyped-call]
