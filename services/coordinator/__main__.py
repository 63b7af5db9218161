"""The coordinator's two processes: `gateway` in front of clients, `pool` behind the queue."""

from __future__ import annotations

import argparse
import sys

from quorate.errors import QuorateError
from quorate.settings import Settings, load_settings
from quorate.telemetry import configure_logging


def main() -> int:
    """Serve until SIGTERM; return the exit status."""
    given = _arguments()
    try:
        settings = load_settings(store_url=given.store, database_url=given.database_url, broker_url=given.broker_url)
        configure_logging(settings, "gateway" if given.process == "gateway" else "coordinator")
        if given.process == "gateway":
            _gateway(settings, given.listen)
        else:
            _pool(settings)
    except QuorateError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _gateway(settings: Settings, listen: str) -> None:
    from quorate.serving.server import run
    from services.coordinator.gateway.server import serve_gateway

    run(lambda: serve_gateway(settings, listen))


def _pool(settings: Settings) -> None:
    from services.coordinator.queue.pool import run_pool

    run_pool(settings)


def _arguments() -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--store", metavar="URL", help="fsspec URL of the store (QUORATE_STORE_URL)")
    shared.add_argument("--database-url", metavar="URL", help="SQLAlchemy URL (QUORATE_DATABASE_URL)")
    shared.add_argument("--broker-url", metavar="URL", help="Redis URL of the broker (QUORATE_BROKER_URL)")
    parser = argparse.ArgumentParser("python -m services.coordinator", description=__doc__)
    processes = parser.add_subparsers(dest="process", required=True)
    gateway = processes.add_parser("gateway", parents=[shared], help="serve clients: OIP and quorate.v1")
    gateway.add_argument("--listen", required=True, metavar="HOST:PORT", help="port 0 takes a free one and logs it")
    processes.add_parser("pool", parents=[shared], help="answer submitted requests and score jobs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
